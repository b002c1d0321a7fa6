// SPDX-License-Identifier: Apache-2.0
// RequestJournal: the kernel's requests that were read and not yet answered, in
// memory that outlives the process that serves the mount.
//
// A request that was read from /dev/fuse is the reader's to answer: when it
// dies, whoever waits for the answer waits for ever. So requests are read into
// shared memory, and stand there until they are answered. A server that takes
// the place of a dead one finds them, with the INIT request by which the kernel
// introduced itself, and answers them as if it had read them. The tree never
// changes, so it makes no difference who answers, or whether an answer is given
// twice: the kernel refuses a second one with ENOENT.
//
// Thread-safe within a server. One server at a time.
#ifndef IMGMOUNT_FS_KEEP_REQUEST_JOURNAL_H_
#define IMGMOUNT_FS_KEEP_REQUEST_JOURNAL_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "meta/base/file.h"
#include "meta/base/mutex.h"
#include "meta/base/result.h"

namespace imgmount {

class RequestJournal {
 public:
  // Requests under way at a time; who reads more waits for an answer.
  static constexpr size_t kSlots = 128;
  // A request that is found unanswered so often killed those who tried, it
  // seems: it is answered with EIO.
  static constexpr uint32_t kMaxAttempts = 3;

  // The memory, for fork(2) and exec(2) to hand on. Its layout has a version.
  static Result<UniqueFd> CreateMemory();
  // kUnsupported: of another version.
  static Result<std::unique_ptr<RequestJournal>> Open(int memory);
  ~RequestJournal();
  RequestJournal(const RequestJournal&) = delete;
  RequestJournal& operator=(const RequestJournal&) = delete;

  // The kernel has introduced itself to an earlier server: the first Read()
  // gives its INIT once more, and the answer is not sent.
  bool has_init() const;

  // As read(2) of a whole request, from `device` or of what an earlier server
  // left.
  ssize_t Read(int device, std::span<std::byte> out);
  // As writev(2) of a whole answer or notification.
  ssize_t Write(int device, std::span<const iovec> parts);

  // Answers EIO to a request that Read() gave, if it has an answer.
  void Refuse(int device, std::span<const std::byte> request);

  // How many requests wait for an answer.
  size_t pending() const;

 private:
  struct Memory;
  explicit RequestJournal(Memory* memory);

  size_t TakeSlot();
  void FreeSlot(size_t slot);
  // A request of an earlier server; 0: there is none any more.
  size_t ReadLeft(int device, std::span<std::byte> out);
  bool Suppressed(std::span<const iovec> parts);

  Memory* const memory_;
  mutable Mutex mutex_;
  CondVar freed_;
  std::vector<size_t> free_ GUARDED_BY(mutex_);
  std::deque<size_t> left_ GUARDED_BY(mutex_);  // that an earlier server left
  bool init_left_ GUARDED_BY(mutex_) = false;
  std::vector<size_t> used_ GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_KEEP_REQUEST_JOURNAL_H_
