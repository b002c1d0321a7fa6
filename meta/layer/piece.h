// SPDX-License-Identifier: Apache-2.0
// Pieces of a stream on their way through a first pass: buffers out of a
// bounded pool, shared by the stages that read them, and the queues between.
//
// The pool is what bounds memory: who fills buffers waits until the readers of
// earlier ones are done. So every reader must take pieces until its queue ends,
// also after an error. Thread-safe.
#ifndef IMGMOUNT_META_LAYER_PIECE_H_
#define IMGMOUNT_META_LAYER_PIECE_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "meta/base/mutex.h"

namespace imgmount {

using Buffer = std::shared_ptr<std::byte[]>;

// Bytes, and what keeps them alive.
struct Piece {
  Buffer owner;
  std::span<const std::byte> bytes;
};

class BufferPool {
 public:
  BufferPool(size_t count, size_t bytes)
      : state_(std::make_shared<State>(count)), bytes_(bytes) {}

  size_t buffer_bytes() const { return bytes_; }

  // Waits for a buffer; null after Stop().
  Buffer Take() {
    State& state = *state_;
    MutexLock lock(state.mutex);
    while (!state.stopped && state.left == 0) {
      state.free_again.Wait(state.mutex);
    }
    if (state.stopped) return nullptr;
    --state.left;
    std::unique_ptr<std::byte[]> memory;
    if (!state.free.empty()) {
      memory = std::move(state.free.back());
      state.free.pop_back();
    } else {
      memory.reset(new std::byte[bytes_]);
    }
    lock.Unlock();
    std::byte* const raw = memory.release();
    // The last reader gives it back; the pool may be gone by then.
    return Buffer(raw, [owner = state_](std::byte* p) {
      std::unique_ptr<std::byte[]> returned(p);
      State& shared = *owner;
      const MutexLock guard(shared.mutex);
      shared.free.push_back(std::move(returned));
      ++shared.left;
      shared.free_again.NotifyOne();
    });
  }

  // No more buffers: whoever waits, or comes later, gets null.
  void Stop() {
    State& state = *state_;
    const MutexLock guard(state.mutex);
    state.stopped = true;
    state.free_again.NotifyAll();
  }

 private:
  struct State {
    explicit State(size_t count) : left(count) {}
    Mutex mutex;
    CondVar free_again;
    std::vector<std::unique_ptr<std::byte[]>> free GUARDED_BY(mutex);
    // Buffers that may still be handed out.
    size_t left GUARDED_BY(mutex);
    bool stopped GUARDED_BY(mutex) = false;
  };
  std::shared_ptr<State> state_;
  size_t bytes_;
};

class PieceQueue {
 public:
  void Push(Piece piece) {
    const MutexLock guard(mutex_);
    pieces_.push_back(std::move(piece));
    changed_.NotifyOne();
  }
  // Nothing more comes.
  void Close() {
    const MutexLock guard(mutex_);
    closed_ = true;
    changed_.NotifyAll();
  }
  // Waits for the next piece; nullopt once the queue is closed and empty.
  std::optional<Piece> Pop() {
    const MutexLock lock(mutex_);
    while (!closed_ && pieces_.empty()) changed_.Wait(mutex_);
    if (pieces_.empty()) return {};
    Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    return piece;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<Piece> pieces_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_PIECE_H_
