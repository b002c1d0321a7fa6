// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/parked_reads.h"

#include <cerrno>
#include <utility>

#include "fs/fuse/fuse_api.h"
#include "fs/quiet_thread.h"

namespace imgmount {
namespace {

// That decode what has come and answer.
constexpr size_t kThreads = 2;

}  // namespace

void ParkedReads::Shelf::MakeReady(uint64_t number) {
  ready.push_back(number);
  work.NotifyOne();
}

void ParkedReads::Shelf::OnArrived(uint64_t number, const Status& arrival) {
  const MutexLock lock(mutex);
  const auto found = parked.find(number);
  if (found == parked.end()) return;
  found->second.arrival = arrival;
  if (found->second.wait) MakeReady(number);
}

ParkedReads::ParkedReads(const FileSystem& fs, Answer answer)
    : fs_(fs), answer_(std::move(answer)) {}

ParkedReads::~ParkedReads() {
  std::map<uint64_t, Parked> left;
  {
    const MutexLock lock(shelf_->mutex);
    shelf_->stop = true;
    left = std::exchange(shelf_->parked, {});
    shelf_->work.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  for (auto& [number, parked] : left) {
    ::fuse_reply_err(parked.read.req, EINTR);
  }
}

bool ParkedReads::Park(const ParkedRead& read) {
  uint64_t number = 0;
  {
    const MutexLock lock(shelf_->mutex);
    if (shelf_->stop || shelf_->parked.size() >= kMaxParkedReads) return false;
    number = ++shelf_->last_number;
    shelf_->parked.emplace(number, Parked{read});
  }
  // Here, where nobody else can have answered it.
  ::fuse_req_interrupt_func(read.req, &ParkedReads::OnInterrupt, this);
  auto wait = fs_.Await(read.ino, read.offset, read.size,
                        [shelf = shelf_, number](const Status& arrival) {
                          shelf->OnArrived(number, arrival);
                        });
  {
    const MutexLock lock(shelf_->mutex);
    const auto found = shelf_->parked.find(number);
    if (found == shelf_->parked.end()) return true;  // interrupted
    if (!wait) {
      shelf_->parked.erase(found);
      return false;
    }
    found->second.wait = std::move(wait);
    if (found->second.arrival) shelf_->MakeReady(number);
  }
  std::call_once(started_, [this] {
    for (size_t i = 0; i < kThreads; ++i) {
      threads_.push_back(StartQuietThread([this] { Work(); }));
    }
  });
  return true;
}

void ParkedReads::OnInterrupt(fuse_req* req, void* self) {
  Shelf& shelf = *static_cast<ParkedReads*>(self)->shelf_;
  std::optional<Parked> interrupted;
  {
    const MutexLock lock(shelf.mutex);
    for (auto it = shelf.parked.begin(); it != shelf.parked.end(); ++it) {
      if (it->second.read.req != req) continue;
      interrupted = std::move(it->second);
      shelf.parked.erase(it);
      break;
    }
  }
  if (interrupted) ::fuse_reply_err(req, EINTR);
}

void ParkedReads::Work() {
  MutexLock lock(shelf_->mutex);
  while (!shelf_->stop) {
    if (shelf_->ready.empty()) {
      shelf_->work.Wait(shelf_->mutex);
      continue;
    }
    const auto found = shelf_->parked.find(shelf_->ready.front());
    shelf_->ready.pop_front();
    if (found == shelf_->parked.end()) continue;
    const Parked parked = std::move(found->second);
    shelf_->parked.erase(found);
    lock.Unlock();
    // A read of several spans may have others to wait for.
    const bool again = *parked.arrival && Park(parked.read);
    if (!again) answer_(parked.read, *parked.arrival);
    lock.Lock();
  }
}

}  // namespace imgmount
