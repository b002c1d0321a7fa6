// SPDX-License-Identifier: Apache-2.0
// FakeFuse: the kernel's side of a FUSE connection, played by a test.
//
// A socket pair stands in for /dev/fuse, so that operations are tested with
// libfuse's own protocol code but without a mount, privileges or a kernel's
// caches.
#ifndef IMGMOUNT_FS_FUSE_FAKE_FUSE_H_
#define IMGMOUNT_FS_FUSE_FAKE_FUSE_H_

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "fs/fuse/fuse_api.h"
#include "fs/fuse/fuse_ops.h"
#include "meta/base/file.h"

namespace imgmount::testing {

template <typename T>
std::string Wire(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

class FakeFuse {
 public:
  struct Reply {
    int error = 0;
    std::string body;

    template <typename T>
    T As(size_t offset = 0) const {
      T value = {};
      EXPECT_LE(offset + sizeof value, body.size());
      if (offset + sizeof value <= body.size()) {
        std::memcpy(&value, body.data() + offset, sizeof value);
      }
      return value;
    }
  };

  static constexpr uint32_t kModernKernel =
      FUSE_ASYNC_READ | FUSE_EXPORT_SUPPORT | FUSE_AUTO_INVAL_DATA |
      FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO |
      FUSE_NO_OPEN_SUPPORT | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES |
      FUSE_CACHE_SYMLINKS | FUSE_NO_OPENDIR_SUPPORT | FUSE_SPLICE_WRITE |
      FUSE_SPLICE_MOVE | FUSE_SPLICE_READ;

  // Introduces itself as a kernel with these features.
  explicit FakeFuse(FuseOpsContext& context,
                    uint32_t features = kModernKernel) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    kernel_ = UniqueFd(ends[0]);
    fuse_args args = FUSE_ARGS_INIT(0, nullptr);
    ::fuse_opt_add_arg(&args, "fake");
    ::fuse_opt_add_arg(
        &args, ("-omax_read=" + std::to_string(context.max_read)).c_str());
    session_ =
        ::fuse_session_new(&args, &FuseOps(), sizeof(FuseOps()), &context);
    ::fuse_opt_free_args(&args);
    EXPECT_NE(session_, nullptr);
    fuse_custom_io io = {};
    io.writev = Writev;
    io.read = Read;
    EXPECT_EQ(::fuse_session_custom_io(session_, &io, ends[1]), 0);
    loop_ = std::thread([this] { ::fuse_session_loop(session_); });

    fuse_init_in init = {};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = 36;
    init.max_readahead = 128 << 10;
    init.flags = features;
    init_ = Call(FUSE_INIT, 0, Wire(init)).As<fuse_init_out>();
  }

  ~FakeFuse() {
    kernel_.Reset();
    loop_.join();
    ::fuse_session_destroy(session_);
  }

  const fuse_init_out& init() const { return init_; }
  fuse_session* session() { return session_; }

  // A request without an answer.
  void Send(uint32_t opcode, uint64_t inode, std::string_view body) {
    fuse_in_header header = {};
    header.opcode = opcode;
    header.nodeid = inode;
    header.unique = ++unique_;
    header.len = static_cast<uint32_t>(sizeof header + body.size());
    std::string message = Wire(header);
    message += body;
    EXPECT_EQ(::send(kernel_.get(), message.data(), message.size(), 0),
              static_cast<ssize_t>(message.size()));
  }

  Reply Call(uint32_t opcode, uint64_t inode, std::string_view body) {
    Send(opcode, inode, body);
    Reply reply = Receive();
    EXPECT_EQ(answered_, unique_);
    return reply;
  }

  // An answer, or a notification, whose `error` is its positive code.
  Reply Receive() {
    std::string message(256 << 10, '\0');
    const ssize_t n = ::recv(kernel_.get(), message.data(), message.size(), 0);
    fuse_out_header header = {};
    EXPECT_GE(n, static_cast<ssize_t>(sizeof header));
    message.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
    std::memcpy(&header, message.data(),
                std::min(sizeof header, message.size()));
    EXPECT_EQ(header.len, message.size());
    answered_ = header.unique;
    return {header.error,
            message.substr(std::min(sizeof header, message.size()))};
  }

 private:
  static ssize_t Writev(int fd, iovec* iov, int count, void* /*userdata*/) {
    return ::writev(fd, iov, count);
  }
  static ssize_t Read(int fd, void* buffer, size_t size, void* /*userdata*/) {
    const ssize_t n = ::read(fd, buffer, size);
    if (n != 0) return n;
    errno = ENODEV;  // as the kernel says after unmounting
    return -1;
  }

  UniqueFd kernel_;
  fuse_session* session_ = nullptr;
  std::thread loop_;
  uint64_t unique_ = 0;
  uint64_t answered_ = 0;
  fuse_init_out init_ = {};
};

}  // namespace imgmount::testing

#endif  // IMGMOUNT_FS_FUSE_FAKE_FUSE_H_
