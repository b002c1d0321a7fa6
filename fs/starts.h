// Starts: a program reads the same things whenever it starts, so what one read
// is remembered, and decoded before it is asked for the next time.
//
// A start is what is read after a second without reads, up to the next one. It
// is known by what it reads first. One that goes on and on is no start but a
// walk through the image, and is not remembered. Only which parts of the
// layers were read is kept, not their bytes; see starts_file.h.
//
// Thread-safe. Threads begin with the first read.
#ifndef IMGMOUNT_FS_STARTS_H_
#define IMGMOUNT_FS_STARTS_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "meta/store/starts_file.h"

namespace imgmount {

struct StartsOptions {
  std::vector<ProgramStart> known;  // the last one is in front
  // Keeps them for the next mount; called once nothing is read any more. Must
  // be given.
  std::function<void(const std::vector<ProgramStart>&)> save;
  std::chrono::milliseconds pause = std::chrono::seconds(1);
};

class Starts {
 public:
  using Work = std::function<void(const StartPart&)>;

  // `will_need` lets the kernel fetch a part's compressed bytes, `decode`
  // decodes it; both are called by several threads.
  Starts(StartsOptions options, Work will_need, Work decode);
  // Waits for the part that each thread is at, and saves.
  ~Starts();

  // The beginning of the span at `offset` of a layer's tar was read, up to
  // `length` bytes of it. Returns at once: whether that is part of a known
  // start, so that what comes next is taken care of.
  bool OnRead(LayerPosition layer, uint64_t offset, uint32_t length);

 private:
  using Clock = std::chrono::steady_clock;
  using Place = std::pair<LayerPosition, uint64_t>;

  // With mutex_ held.
  void Begin(Place first);
  bool MayGoOn() const;  // there is something to decode
  // Ends the present start; true: there is something to save.
  bool End();

  void Run();

  const StartsOptions options_;
  const Work will_need_;
  const Work decode_;

  std::mutex mutex_;
  std::condition_variable wake_;
  // Under mutex_:
  bool stop_ = false;
  std::vector<ProgramStart> known_;
  // The present start.
  bool open_ = false;
  bool too_long_ = false;
  Clock::time_point last_read_ = {};
  ProgramStart parts_;
  std::map<Place, size_t> seen_;  // in parts_
  // The known one that it repeats.
  ProgramStart followed_;
  std::map<Place, size_t> places_;  // in followed_
  size_t reached_ = 0;              // of followed_, by the program
  size_t decoded_ = 0;              // by us
  uint64_t bytes_ahead_ = 0;        // between these two
  size_t needed_ = 0;               // will_need_ was called up to here

  std::vector<std::thread> threads_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_STARTS_H_
