// SPDX-License-Identifier: Apache-2.0
// ParkedReads: reads whose bytes are on their way over the network.
//
// Few threads serve a mount, and one that waited for the network would keep
// everybody else from what is here. So such a read is put aside, and answered
// by a thread of this once its bytes have come. Whoever waits can be
// interrupted or killed: libfuse tells, and the read is answered EINTR.
// Thread-safe.
#ifndef IMGMOUNT_FS_FUSE_PARKED_READS_H_
#define IMGMOUNT_FS_FUSE_PARKED_READS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "fs/file_system.h"
#include "meta/base/mutex.h"
#include "meta/base/result.h"

struct fuse_req;

namespace imgmount {

struct ParkedRead {
  fuse_req* req;
  Ino ino;
  uint64_t offset;
  size_t size;
};

// So many at most; less than a RequestJournal has room for. Further ones keep
// their thread.
inline constexpr size_t kMaxParkedReads = 96;

class ParkedReads {
 public:
  // Reads and replies; or, when the bytes did not come, replies why not. Called
  // by threads of this.
  using Answer = std::function<void(const ParkedRead&, const Status& arrival)>;
  // The file system outlives it.
  ParkedReads(const FileSystem& fs, Answer answer);
  // Answers EINTR to those that are left.
  ~ParkedReads();
  ParkedReads(const ParkedReads&) = delete;
  ParkedReads& operator=(const ParkedReads&) = delete;

  // False: it need not wait, or there is no room; the caller answers.
  bool Park(const ParkedRead& read);

 private:
  struct Parked {
    ParkedRead read;
    std::unique_ptr<BlobWait> wait = nullptr;  // null until Park() has it
    std::optional<Status> arrival = {};
  };
  // State that arrivals refer to: a call that has begun may end after this has.
  struct Shelf {
    void OnArrived(uint64_t number, const Status& arrival);
    void MakeReady(uint64_t number) REQUIRES(mutex);

    Mutex mutex;
    CondVar work;
    // By number, as a request's address may be another's soon. Whoever takes a
    // read out of it answers it.
    std::map<uint64_t, Parked> parked GUARDED_BY(mutex);
    uint64_t last_number GUARDED_BY(mutex) = 0;
    std::deque<uint64_t> ready GUARDED_BY(mutex);  // some may be taken already
    bool stop GUARDED_BY(mutex) = false;
  };
  static void OnInterrupt(fuse_req* req, void* self);
  void Work();

  const FileSystem& fs_;
  const Answer answer_;
  const std::shared_ptr<Shelf> shelf_ = std::make_shared<Shelf>();
  std::once_flag started_;
  std::vector<std::thread> threads_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_FUSE_PARKED_READS_H_
