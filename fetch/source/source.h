// SPDX-License-Identifier: Apache-2.0
// Source: where an image comes from (a registry, a layout, an archive, an
// engine), and who is handed its bytes.
#ifndef IMGMOUNT_FETCH_SOURCE_SOURCE_H_
#define IMGMOUNT_FETCH_SOURCE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "meta/base/result.h"
#include "meta/image/image.h"
#include "meta/image/manifest.h"
#include "meta/image/select_image.h"

namespace imgmount {

// An image's documents, in the cache as blobs.
struct ResolvedImage {
  Image image;
  Descriptor published;         // of what the reference named
  std::string index_json = {};  // its document, if that is an index; may be ""
};

// Receives a blob.
class BlobSink {
 public:
  virtual ~BlobSink() = default;
  virtual Status Write(std::span<const std::byte> bytes) = 0;
  // Called for every second of a wait before another try.
  virtual void OnRetryIn(int /*seconds*/) {}
  // A line for people: "no answer from HOST for 60 s, trying again (2/5)".
  virtual void OnNotice(const std::string& /*text*/) {}
  // Polled while nothing arrives; true ends the transfer with kCancelled.
  virtual bool stopped() const { return false; }
};

// Who asked for a part of a blob. Answers may be other parts of it than were
// asked for, and there may be several, as a broken transfer goes on.
class RangeSink : public BlobSink {
 public:
  // The next writes are bytes [first, end) of the blob, from the first one
  // on. An error refuses them, ends the transfer and is returned.
  virtual Status Begin(uint64_t first, uint64_t end) = 0;
};

// Who hears what a source has to say to people beside its answers. Called from
// any thread that asks.
class SourceListener {
 public:
  virtual ~SourceListener() = default;
  // While a document is waited for; as BlobSink::OnNotice().
  virtual void OnNotice(const std::string& text) = 0;
  // From the registry, with its name in front; once per text.
  virtual void OnWarning(const std::string& text) = 0;
};

// A place that has an image. Thread-safe, but for Listen().
class Source {
 public:
  virtual ~Source() = default;

  // The listener outlives the source, or is replaced; null: nobody. Returns the
  // one before.
  virtual SourceListener* Listen(SourceListener* /*listener*/) {
    return nullptr;
  }

  using Document = ImageDocument;
  // The manifest or index that the reference names (its tag or digest).
  virtual Result<Document> FetchManifest(const std::string& selector) = 0;
  // Whether the reference still names what is known of it, when that costs less
  // than FetchManifest(); false when only FetchManifest() can tell.
  virtual Result<bool> StillNames(const std::string& /*selector*/,
                                  const ResolvedImage& /*known*/) {
    return false;
  }
  // A small blob (a config), verified. Errors of blobs do not name them.
  virtual Result<std::string> FetchSmallBlob(const Descriptor& descriptor) = 0;
  // A blob from `offset` on, pushed to `sink` in order. The sink's error ends
  // the transfer and is returned. Not verified: the caller hashes.
  virtual Status FetchBlob(const Descriptor& descriptor, uint64_t offset,
                           BlobSink& sink) = 0;
  // At least bytes [first, end) of it; more where the source has no ranges, or
  // a server sends the whole blob all the same.
  virtual Status FetchRange(const Descriptor& descriptor, uint64_t first,
                            uint64_t /*end*/, RangeSink& sink) {
    IMGMOUNT_CHECK(sink.Begin(first, descriptor.size));
    return FetchBlob(descriptor, first, sink);
  }
  // Who is asked for blobs, for messages: "registry-1.docker.io".
  virtual std::string server() const { return "its source"; }
  // Blobs are read where they lie and never copied into the cache (oci:DIR).
  virtual bool in_place() const { return false; }
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_SOURCE_SOURCE_H_
