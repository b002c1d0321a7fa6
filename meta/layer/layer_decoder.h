// SPDX-License-Identifier: Apache-2.0
// LayerDecoder: compressed bytes in, tar and spans out; one for each encoding.
// Used by one thread.
#ifndef IMGMOUNT_META_LAYER_LAYER_DECODER_H_
#define IMGMOUNT_META_LAYER_LAYER_DECODER_H_

#include <memory>

#include "meta/base/result.h"
#include "meta/layer/first_pass.h"
#include "meta/layer/frame_writer.h"
#include "meta/layer/member_starts.h"
#include "meta/layer/piece.h"
#include "meta/layer/span_writer.h"
#include "meta/layer/tar_output.h"

namespace imgmount {

class LayerDecoder {
 public:
  virtual ~LayerDecoder() = default;

  // The blob's next bytes.
  virtual Status Decode(const Piece& piece) = 0;
  // The blob ends here.
  virtual Status Finish() = 0;

  // Everything given outlives the decoder.
  static std::unique_ptr<LayerDecoder> Make(Compression compression,
                                            TarOutput& output,
                                            SpanWriter& spans,
                                            FrameWriter& frames,
                                            MemberStarts& starts);
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_LAYER_DECODER_H_
