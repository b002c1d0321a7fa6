// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/registry_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "fetch/http/error_body.h"
#include "meta/text/printable.h"
#include "meta/text/quantities.h"

namespace imgmount {
namespace {

using Kind = TransportError::Kind;

// Less than this is no progress: a server that sends a byte a time must not
// keep us for ever.
constexpr uint64_t kProgressBytes = 64 << 10;

constexpr char kBlob[] = "the blob";

// More than that is not for people.
constexpr size_t kMaxWarnings = 20;

std::string AcceptHeader() {
  return fmt::format(
      "Accept: {}, {}, {}, {}, "
      "application/vnd.docker.distribution.manifest.v1+prettyjws, "
      "application/vnd.docker.distribution.manifest.v1+json",
      kOciIndex, kOciManifest, kDockerList, kDockerManifest);
}

// Media types come with parameters now and then.
std::string WithoutParameters(std::string_view media_type) {
  media_type = media_type.substr(0, media_type.find(';'));
  while (media_type.ends_with(' ')) media_type.remove_suffix(1);
  return std::string(media_type);
}

bool IsForeign(const Descriptor& blob) {
  return !blob.urls.empty() &&
         (blob.media_type.find("nondistributable") != std::string::npos ||
          blob.media_type.find("foreign") != std::string::npos);
}

class MemorySink : public BlobSink {
 public:
  explicit MemorySink(SourceListener* listener) : listener_(listener) {}

  void OnNotice(const std::string& text) override {
    if (listener_ != nullptr) listener_->OnNotice(text);
  }
  Status Write(std::span<const std::byte> bytes) override {
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  std::string Take() { return std::move(text_); }

 private:
  SourceListener* const listener_;  // may be null
  std::string text_;
};

}  // namespace

RegistrySource::RegistrySource(const std::vector<Endpoint>& endpoints,
                               Credentials credentials, Options options)
    : options_(std::move(options)),
      credentials_(std::move(credentials)),
      http_(options_.http) {
  for (const Endpoint& endpoint : endpoints) {
    clients_.push_back(std::make_unique<RegistryClient>(
        http_, credentials_, endpoint,
        [this](const std::string& text) { Warn(text); }));
  }
}

SourceListener* RegistrySource::Listen(SourceListener* listener) {
  return std::exchange(listener_, listener);
}

void RegistrySource::Warn(const std::string& text) {
  {
    const MutexLock lock(mutex_);
    if (warnings_.size() >= kMaxWarnings || !warnings_.insert(text).second) {
      return;
    }
  }
  if (listener_ != nullptr) listener_->OnWarning(text);
}

RegistrySource::RetryState RegistrySource::TellingListener() const {
  if (listener_ == nullptr) return {};
  return {
      .on_second =
          [listener = listener_, told = false](int seconds) mutable {
            if (std::exchange(told, seconds > 1)) return;
            listener->OnNotice("retrying in " + Counted(seconds, "second"));
          },
      .on_notice = [listener = listener_](
                       const std::string& text) { listener->OnNotice(text); }};
}

Status RegistrySource::Ask(const RetryState& retry_state, Ability needed,
                           const Question& question) {
  const auto stopped = [&] {
    return retry_state.stopped() ||
           (options_.http.stopped && options_.http.stopped());
  };
  std::vector<std::optional<TransportError>> troubles(clients_.size());
  const auto gave_final_answer = [&](size_t i) {
    return troubles[i] && troubles[i]->kind != Kind::kTransient &&
           !(troubles[i]->kind == Kind::kConnect && clients_[i]->reached());
  };
  // The registry's own words, and why its mirrors did not help.
  const auto give_up = [&]() -> Failure {
    std::string mirrors;
    for (size_t i = 0; i + 1 < clients_.size(); ++i) {
      if (!troubles[i]) continue;
      mirrors += "; mirror " + troubles[i]->error.message();
    }
    const Error& error = troubles.back()->error;
    return Fail(error.code(), error.message() + mirrors);
  };

  bool any_left_out = false;
  for (size_t i = 0; i < clients_.size(); ++i) {
    const Endpoint& endpoint = clients_[i]->endpoint();
    if (endpoint.*needed) continue;
    any_left_out = true;
    troubles[i] = TransportError{Error(
        ErrorCode::kNotFound, fmt::format("{}: may not be asked for that ({})",
                                          endpoint.registry, endpoint.source))};
  }

  int failures = 0;
  uint64_t progress = retry_state.progress();
  while (true) {
    const size_t start = preferred_;
    const TransportError* passing = nullptr;
    for (size_t n = 0; n < clients_.size(); ++n) {
      const size_t i = (start + n) % clients_.size();
      if (gave_final_answer(i)) continue;
      auto answer = question(*clients_[i]);
      if (answer) {
        // Who was left out has not failed, and may answer the next question.
        if (!any_left_out) preferred_ = i;
        return {};
      }
      troubles[i] = std::move(answer).error();
      if (troubles[i]->kind == Kind::kStop) {
        return Failure(std::move(troubles[i]->error));
      }
      if (!gave_final_answer(i)) passing = &*troubles[i];
    }
    if (passing == nullptr) return give_up();

    // A link that drops now and then, but brings something every time, needs
    // no waits.
    const bool came_further =
        retry_state.progress() - progress >= kProgressBytes;
    progress = retry_state.progress();
    if (came_further) {
      failures = 0;
      continue;
    }
    if (!retry_state.is_patient) return give_up();
    ++failures;
    if (passing->silence && failures < options_.retry.attempts) {
      // That was a wait already. So all of them end in a known time.
      retry_state.on_notice(
          fmt::format("no answer from {} for {} s, trying again ({}/{})",
                      passing->silence->host, passing->silence->time.count(),
                      failures + 1, options_.retry.attempts));
      continue;
    }
    const auto wait = WaitBefore(options_.retry, failures, *passing);
    if (!wait) return give_up();
    if (!Wait(options_.retry, *wait, retry_state.on_second, stopped)) {
      return Fail(ErrorCode::kCancelled, "interrupted");
    }
  }
}

Result<Source::Document> RegistrySource::FetchManifest(
    const std::string& selector) {
  std::optional<Document> document;
  const Ability needed =
      Digest::Parse(selector) ? &Endpoint::can_pull : &Endpoint::can_resolve;
  IMGMOUNT_CHECK(Ask(
      TellingListener(), needed, [&](RegistryClient& client) -> Attempt<void> {
        IMGMOUNT_ATTEMPT(document, ManifestFrom(client, selector));
        return {};
      }));
  return *std::move(document);
}

Attempt<Source::Document> RegistrySource::ManifestFrom(
    RegistryClient& client, const std::string& selector) {
  const Endpoint& endpoint = client.endpoint();
  const auto wanted = Digest::Parse(selector);
  const std::string what =
      endpoint.repository + (wanted ? "@" : ":") + selector;
  IMGMOUNT_ATTEMPT(HttpResponse response,
                   client.Fetch({.path = "manifests/" + selector,
                                 .what = what,
                                 .headers = {AcceptHeader()}},
                                kMaxManifestBytes));
  const std::string* media_type = response.Find("content-type");
  if (media_type && WithoutParameters(*media_type) == "text/html" &&
      response.body.starts_with('<')) {
    return FailAttempt(
        Error(ErrorCode::kCorrupt,
              fmt::format("{}: answered with a web page in place of "
                          "the manifest of {}; a proxy or a network's "
                          "login page may be in between",
                          endpoint.registry, what)),
        Kind::kFinal);
  }
  const auto corrupt = [&](const std::string& claimed) {
    return FailAttempt(
        Error(ErrorCode::kCorrupt,
              fmt::format("{}: the manifest of {} does not have the "
                          "digest {}",
                          endpoint.registry, what, claimed)),
        Kind::kFinal);
  };
  if (wanted && DigestOf(response.body, wanted->algorithm()) != *wanted) {
    return corrupt(selector);
  }
  if (const std::string* header = response.Find("docker-content-digest")) {
    const auto claimed = Digest::Parse(*header);
    if (!claimed || DigestOf(response.body, claimed->algorithm()) != *claimed) {
      return corrupt(Printable(*header, 200));
    }
  }
  const Digest digest = wanted ? *wanted : DigestOf(response.body);
  return Document{std::move(response.body),
                  media_type ? WithoutParameters(*media_type) : "", digest};
}

Result<bool> RegistrySource::StillNames(const std::string& selector,
                                        const ResolvedImage& known) {
  if (Digest::Parse(selector)) {
    return selector == known.published.digest.text();
  }
  bool same = false;
  auto asked = Ask(
      {.is_patient = false}, &Endpoint::can_resolve,
      [&](RegistryClient& client) -> Attempt<void> {
        const Endpoint& endpoint = client.endpoint();
        IMGMOUNT_ATTEMPT(
            const HttpResponse response,
            client.Fetch({.path = "manifests/" + selector,
                          .what = endpoint.repository + ":" + selector,
                          .headers = {AcceptHeader()},
                          .method = "HEAD"},
                         kMaxManifestBytes));
        const std::string* digest = response.Find("docker-content-digest");
        same = digest != nullptr && *digest == known.published.digest.text();
        return {};
      });
  // Servers that do not know HEAD, in whatever way they show that, may know
  // GET, and tell why they refuse.
  if (!asked && asked.error().code() == ErrorCode::kCancelled) {
    return Failure(std::move(asked).error());
  }
  return same;
}

Result<std::string> RegistrySource::FetchSmallBlob(
    const Descriptor& descriptor) {
  if (descriptor.size > kMaxConfigBytes) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} bytes are more than the {} that are read into "
                            "memory",
                            descriptor.size, kMaxConfigBytes));
  }
  MemorySink sink(listener_);
  IMGMOUNT_CHECK(FetchBlob(descriptor, 0, sink));
  std::string bytes = sink.Take();
  if (DigestOf(bytes, descriptor.digest.algorithm()) != descriptor.digest) {
    return Fail(ErrorCode::kCorrupt,
                clients_.back()->endpoint().registry +
                    ": it arrived with other contents than its digest says");
  }
  return bytes;
}

Status RegistrySource::FetchBlob(const Descriptor& descriptor, uint64_t offset,
                                 BlobSink& sink) {
  BlobTransfer transfer(descriptor, offset, sink);
  return Run(transfer, descriptor, sink);
}

Status RegistrySource::FetchRange(const Descriptor& descriptor, uint64_t first,
                                  uint64_t end, RangeSink& sink) {
  BlobTransfer transfer(descriptor, first, end, sink);
  return Run(transfer, descriptor, sink);
}

Status RegistrySource::Run(BlobTransfer& transfer, const Descriptor& descriptor,
                           BlobSink& sink) {
  if (transfer.done()) return {};
  const RetryState retry_state{
      .stopped = [&] { return sink.stopped(); },
      .on_second = [&](int seconds) { sink.OnRetryIn(seconds); },
      .on_notice = [&](const std::string& text) { sink.OnNotice(text); },
      .progress = [&] { return transfer.position(); }};
  auto fetched =
      Ask(retry_state, &Endpoint::can_pull,
          [&](RegistryClient& client) -> Attempt<void> {
            return transfer.Run([&](const std::vector<std::string>& headers,
                                    bool decode) {
              return client.Stream({.path = "blobs/" + descriptor.digest.text(),
                                    .what = kBlob,
                                    .headers = headers,
                                    .stopped = retry_state.stopped,
                                    .decode = decode},
                                   transfer);
            });
          });
  if (!fetched && fetched.error().code() == ErrorCode::kNotFound &&
      IsForeign(descriptor)) {
    return RunForeign(transfer, descriptor, sink);
  }
  return fetched;
}

Status RegistrySource::RunForeign(BlobTransfer& transfer,
                                  const Descriptor& descriptor,
                                  const BlobSink& sink) {
  Status last = Fail(ErrorCode::kNotFound, "no usable address");
  for (const std::string& address : descriptor.urls) {
    auto url = Url::Parse(address);
    if (!url || (!url->secure() && !IsLoopback(url->authority()))) continue;
    HttpRequest request{.url = *std::move(url)};
    request.stopped = [&] { return sink.stopped(); };
    const auto send = [&](const std::vector<std::string>& headers,
                          bool decode) -> Attempt<HttpResponse> {
      request.headers = headers;
      request.decode = decode;
      IMGMOUNT_ATTEMPT(HttpResponse response, http_.Stream(request, transfer));
      if (response.ok()) return response;
      return tl::unexpected(
          StatusError(response, request.url.authority(), kBlob));
    };
    auto fetched = transfer.Run(send);
    if (fetched) return {};
    const bool stop = fetched.error().kind == Kind::kStop;
    last = Failure(std::move(fetched).error().error);
    if (stop) break;
  }
  return last;
}

}  // namespace imgmount
