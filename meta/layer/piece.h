// SPDX-License-Identifier: Apache-2.0
// Pieces of a stream on their way through a first pass: buffers out of a
// bounded pool, shared by the stages that read them, and the queues between.
//
// The pool is what bounds memory: who fills buffers waits until the readers of
// earlier ones are done. So every reader must take pieces until its queue ends,
// also after an error. Thread-safe.
#ifndef IMGMOUNT_META_LAYER_PIECE_H_
#define IMGMOUNT_META_LAYER_PIECE_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

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
    std::unique_lock lock(state_->mutex);
    state_->free_again.wait(
        lock, [&] { return state_->stopped || state_->left > 0; });
    if (state_->stopped) return nullptr;
    --state_->left;
    std::unique_ptr<std::byte[]> memory;
    if (!state_->free.empty()) {
      memory = std::move(state_->free.back());
      state_->free.pop_back();
    } else {
      memory.reset(new std::byte[bytes_]);
    }
    lock.unlock();
    std::byte* const raw = memory.release();
    // The last reader gives it back; the pool may be gone by then.
    return Buffer(raw, [state = state_](std::byte* p) {
      std::unique_ptr<std::byte[]> returned(p);
      const std::lock_guard guard(state->mutex);
      state->free.push_back(std::move(returned));
      ++state->left;
      state->free_again.notify_one();
    });
  }

  // No more buffers: whoever waits, or comes later, gets null.
  void Stop() {
    const std::lock_guard guard(state_->mutex);
    state_->stopped = true;
    state_->free_again.notify_all();
  }

 private:
  struct State {
    explicit State(size_t count) : left(count) {}
    std::mutex mutex;
    std::condition_variable free_again;
    std::vector<std::unique_ptr<std::byte[]>> free;
    size_t left;  // buffers that may still be handed out
    bool stopped = false;
  };
  std::shared_ptr<State> state_;
  size_t bytes_;
};

class PieceQueue {
 public:
  void Push(Piece piece) {
    const std::lock_guard guard(mutex_);
    pieces_.push_back(std::move(piece));
    changed_.notify_one();
  }
  // Nothing more comes.
  void Close() {
    const std::lock_guard guard(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  // Waits for the next piece; nullopt once the queue is closed and empty.
  std::optional<Piece> Pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !pieces_.empty(); });
    if (pieces_.empty()) return {};
    Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    return piece;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> pieces_;
  bool closed_ = false;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_PIECE_H_
