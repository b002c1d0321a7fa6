// SPDX-License-Identifier: Apache-2.0
#include "fs/keep/request_journal.h"

#include <linux/fuse.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace imgmount {
namespace {

constexpr uint64_t kMagic = 0x314a'7165'5267'6d69;  // "imgReqJ1"

// A read-only mount gets no request with an answer that is longer: names have
// at most 1024 bytes.
constexpr size_t kSlotBytes = 4096;
constexpr size_t kInitBytes = 256;

bool WantsAnswer(uint32_t opcode) {
  return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET &&
         opcode != FUSE_INTERRUPT;
}

fuse_out_header Refusal(const fuse_in_header& request) {
  return {sizeof(fuse_out_header), -EIO, request.unique};
}

// One request's place. `unique` is 0 when there is none; the kernel writes a
// request with its header, so a slot holds it from the moment read(2) took it.
union Slot {
  fuse_in_header header;
  std::array<std::byte, kSlotBytes> bytes;
};

}  // namespace

struct RequestJournal::Memory {
  uint64_t magic;
  std::atomic<uint32_t> init_length;  // 0: the kernel has said nothing yet
  uint64_t init_unique;
  std::array<std::byte, kInitBytes> init;
  std::array<std::atomic<uint32_t>, kSlots> attempts;
  alignas(4096) std::array<Slot, kSlots> slots;
};

Result<UniqueFd> RequestJournal::CreateMemory() {
  UniqueFd memory(::memfd_create("imgmount-requests", MFD_CLOEXEC));
  if (!memory || ::ftruncate(memory.get(), sizeof(Memory)) != 0 ||
      ::pwrite(memory.get(), &kMagic, sizeof kMagic, 0) != sizeof kMagic) {
    return FailErrno("memory for requests", errno);
  }
  return memory;
}

Result<std::unique_ptr<RequestJournal>> RequestJournal::Open(int memory) {
  // All of it is there before a request is: a server that is killed while its
  // page is brought makes the kernel answer EIO.
  void* const mapped = ::mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_POPULATE, memory, 0);
  if (mapped == MAP_FAILED) return FailErrno("memory for requests", errno);
  std::unique_ptr<RequestJournal> journal(
      new RequestJournal(static_cast<Memory*>(mapped)));
  if (journal->memory_->magic != kMagic) {
    return Fail(ErrorCode::kUnsupported,
                "the requests under way are in another version's format");
  }
  return journal;
}

RequestJournal::RequestJournal(Memory* memory) : memory_(memory) {
  init_left_ = has_init();
  for (size_t i = 0; i < kSlots; ++i) {
    if (memory_->slots[i].header.unique != 0) {
      left_.push_back(i);
      used_.push_back(i);
    } else {
      free_.push_back(i);
    }
  }
}

RequestJournal::~RequestJournal() { ::munmap(memory_, sizeof(Memory)); }

bool RequestJournal::has_init() const { return memory_->init_length != 0; }

size_t RequestJournal::pending() const {
  const MutexLock lock(mutex_);
  return used_.size();
}

size_t RequestJournal::TakeSlot() {
  const MutexLock lock(mutex_);
  while (free_.empty()) freed_.Wait(mutex_);
  const size_t slot = free_.back();  // the one that the processor has at hand
  free_.pop_back();
  used_.push_back(slot);
  memory_->attempts[slot] = 0;
  return slot;
}

void RequestJournal::FreeSlot(size_t slot) {
  const MutexLock lock(mutex_);
  memory_->slots[slot].header.unique = 0;
  used_.erase(std::find(used_.begin(), used_.end(), slot));
  free_.push_back(slot);
  freed_.NotifyOne();
}

size_t RequestJournal::ReadLeft(int device, std::span<std::byte> out) {
  while (true) {
    size_t slot = 0;
    {
      const MutexLock lock(mutex_);
      if (init_left_) {
        init_left_ = false;
        const size_t length = memory_->init_length;
        std::memcpy(out.data(), memory_->init.data(), length);
        return length;
      }
      if (left_.empty()) return 0;
      slot = left_.front();
      left_.pop_front();
    }
    const fuse_in_header& header = memory_->slots[slot].header;
    if (!WantsAnswer(header.opcode)) {
      FreeSlot(slot);
      continue;
    }
    if (header.len > kSlotBytes || header.len < sizeof header ||
        header.len > out.size() || ++memory_->attempts[slot] > kMaxAttempts) {
      const fuse_out_header refusal = Refusal(header);
      (void)!::write(device, &refusal, sizeof refusal);
      FreeSlot(slot);
      continue;
    }
    std::memcpy(out.data(), memory_->slots[slot].bytes.data(), header.len);
    return header.len;
  }
}

ssize_t RequestJournal::Read(int device, std::span<std::byte> out) {
  if (const size_t left = ReadLeft(device, out); left > 0) {
    return static_cast<ssize_t>(left);
  }
  const size_t number = TakeSlot();
  Slot& slot = memory_->slots[number];
  slot.header = {};
  // Bytes beyond are of a request without an answer.
  const size_t first = std::min(out.size(), kSlotBytes);
  iovec parts[] = {{slot.bytes.data(), first},
                   {out.data() + first, out.size() - first}};
  const ssize_t got = ::readv(device, parts, out.size() > first ? 2 : 1);
  if (got < static_cast<ssize_t>(sizeof slot.header)) {
    const int error = errno;
    FreeSlot(number);
    errno = error;
    return got;
  }
  std::memcpy(out.data(), slot.bytes.data(),
              std::min(static_cast<size_t>(got), first));
  const fuse_in_header header = slot.header;
  if (header.opcode == FUSE_INIT && static_cast<size_t>(got) <= kInitBytes) {
    std::memcpy(memory_->init.data(), slot.bytes.data(),
                static_cast<size_t>(got));
    memory_->init_unique = header.unique;
  } else if (!WantsAnswer(header.opcode)) {
    FreeSlot(number);
  }
  return got;
}

bool RequestJournal::Suppressed(std::span<const iovec> parts) {
  // Until the first INIT is answered, its answer must go out.
  fuse_out_header answer;
  std::memcpy(&answer, parts.front().iov_base, sizeof answer);
  return has_init() && answer.unique == memory_->init_unique;
}

void RequestJournal::Refuse(int device, std::span<const std::byte> request) {
  fuse_in_header header;
  std::memcpy(&header, request.data(), sizeof header);
  if (!WantsAnswer(header.opcode)) return;
  fuse_out_header refusal = Refusal(header);
  const iovec part = {&refusal, sizeof refusal};
  (void)Write(device, {&part, 1});
}

ssize_t RequestJournal::Write(int device, std::span<const iovec> parts) {
  size_t length = 0;
  for (const iovec& part : parts) length += part.iov_len;
  if (parts.empty() || parts.front().iov_len < sizeof(fuse_out_header)) {
    errno = EINVAL;
    return -1;
  }
  if (Suppressed(parts)) return static_cast<ssize_t>(length);
  const ssize_t sent =
      ::writev(device, parts.data(), static_cast<int>(parts.size()));
  const int error = errno;
  fuse_out_header answer;
  std::memcpy(&answer, parts.front().iov_base, sizeof answer);
  if (answer.unique != 0 && (sent >= 0 || error == ENOENT)) {
    if (answer.unique == memory_->init_unique && sent >= 0) {
      fuse_in_header init;
      std::memcpy(&init, memory_->init.data(), sizeof init);
      memory_->init_length = init.len;
    }
    size_t slot = kSlots;
    {
      const MutexLock lock(mutex_);
      for (const size_t used : used_) {
        if (memory_->slots[used].header.unique == answer.unique) slot = used;
      }
    }
    if (slot != kSlots) FreeSlot(slot);
  }
  errno = error;
  return sent;
}

}  // namespace imgmount
