// SPDX-License-Identifier: Apache-2.0
#include "fetch/engine/engine_source.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "fetch/http/error_body.h"
#include "meta/base/file.h"
#include "meta/image/json.h"

namespace imgmount {
namespace {

using Kind = TransportError::Kind;

constexpr size_t kMaxInspect = 16 << 20;
// An engine may write a whole export to disk before it sends its first byte.
constexpr std::chrono::minutes kStallTimeout{30};

class FileBody : public HttpBody {
 public:
  explicit FileBody(int fd) : fd_(fd) {}

  Attempt<void> Begin(const HttpResponse&) override { return {}; }
  Attempt<void> Write(std::span<const std::byte> bytes) override {
    auto written = WriteAll(fd_, bytes);
    if (!written) return FailAttempt(std::move(written).error(), Kind::kStop);
    return {};
  }

 private:
  const int fd_;
};

}  // namespace

EngineSource::EngineSource(EngineAddress engine, std::string image,
                           std::filesystem::path scratch,
                           std::function<bool()> stopped)
    : engine_(std::move(engine)),
      image_(std::move(image)),
      scratch_(std::move(scratch)),
      http_({.stall_timeout = kStallTimeout, .stopped = std::move(stopped)}) {}

Result<HttpRequest> EngineSource::Question(const std::string& what) const {
  IMGMOUNT_TRY(Url url, Url::Parse(fmt::format("{}/images/{}/{}", engine_.root,
                                               image_, what)));
  HttpRequest request{.url = std::move(url)};
  request.unix_socket = engine_.socket;
  request.verify_tls = engine_.verify_tls;
  request.tls = &engine_.tls;
  request.client_certificate = true;
  return request;
}

Error EngineSource::Explain(Error error) const {
  if (error.code() != ErrorCode::kUnavailable) return error;
  std::string what = error.message();
  if (!engine_.socket.empty()) {
    struct stat status = {};
    const bool there = ::stat(engine_.socket.c_str(), &status) == 0;
    what = fmt::format("{}: {}", engine_.name,
                       there ? "the engine does not answer" : "no such socket");
  }
  return Error(ErrorCode::kUnavailable,
               fmt::format("{}; {}", what, engine_.advice));
}

Status EngineSource::CheckAnswer(const HttpResponse& response) const {
  if (response.ok()) return {};
  const std::string message = InParentheses(RegistryMessage(response));
  if (response.status == 404) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("the engine at {} has no image {}{}", engine_.name,
                            image_, message));
  }
  return Fail(ErrorCode::kUnavailable,
              fmt::format("the engine at {} answered {} when asked for {}{}",
                          engine_.name, response.status, image_, message));
}

Result<DockerArchive*> EngineSource::Exported() {
  const MutexLock lock(mutex_);
  if (archive_) return archive_.get();
  IMGMOUNT_TRY(UniqueFd file, MakeScratchFile(scratch_));
  IMGMOUNT_TRY(const HttpRequest request, Question("get"));
  FileBody body(file.get());
  auto response = http_.Stream(request, body);
  if (!response) return Failure(Explain(std::move(response).error().error));
  IMGMOUNT_CHECK(CheckAnswer(*response));
  IMGMOUNT_TRY(TarFiles files,
               TarFiles::FromFile(std::move(file),
                                  fmt::format("{} of {}", image_, engine_.name),
                                  scratch_));
  IMGMOUNT_TRY(archive_, DockerArchive::Open(std::move(files), ""));
  return archive_.get();
}

Result<Source::Document> EngineSource::FetchManifest(
    const std::string& /*selector*/) {
  IMGMOUNT_TRY(DockerArchive* const archive, Exported());
  return archive->FetchManifest("");
}

Result<bool> EngineSource::StillNames(const std::string& /*selector*/,
                                      const ResolvedImage& known) {
  IMGMOUNT_TRY(const HttpRequest request, Question("json"));
  auto response = http_.Fetch(request, kMaxInspect);
  if (!response) return Failure(Explain(std::move(response).error().error));
  IMGMOUNT_CHECK(CheckAnswer(*response));
  const auto answer =
      ParseJson(response->body, engine_.name, kMaxInspect).value_or(nullptr);
  const auto id = StringMember(answer, "Id");
  // Docker writes the algorithm in front, podman does not.
  const Digest& config = known.image.manifest.config.digest;
  return id && (*id == config.text() || *id == config.hex());
}

Result<std::string> EngineSource::FetchSmallBlob(const Descriptor& descriptor) {
  IMGMOUNT_TRY(DockerArchive* const archive, Exported());
  return archive->FetchSmallBlob(descriptor);
}

Status EngineSource::FetchBlob(const Descriptor& descriptor, uint64_t offset,
                               BlobSink& sink) {
  IMGMOUNT_TRY(DockerArchive* const archive, Exported());
  return archive->FetchBlob(descriptor, offset, sink);
}

}  // namespace imgmount
