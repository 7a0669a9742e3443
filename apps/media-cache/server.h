// Connections of the device in front: plain HTTP/1.1 over a Unix socket. Who may connect may say
// for which web origin it asks, so nobody but the device may (docs/adr, docs/media-cache.md).
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "base/random.h"
#include "cache/upload.h"
#include "media-cache/prefetcher.h"
#include "media-cache/shares.h"
#include "media-cache/vault.h"
#include "net/accepting.h"
#include "net/http_stream.h"

namespace latchkey::mediacache {

struct ServeLimits {
  std::size_t connections = 512;
  std::chrono::milliseconds idle{120'000};
  std::chrono::milliseconds head{10'000};
  std::chrono::milliseconds body{60'000};   // between pieces of a body
  std::chrono::milliseconds stall{60'000};  // a reader that does not read
  bool per_person = false;                  // everybody has their own, and nobody else sees it
};

class Server {
 public:
  // `prefetcher`: nullptr where nothing is fetched.
  Server(net::Executor executor, Vault& vault, Prefetcher* prefetcher, Random& random,
         const Clock& clock, ServeLimits limits = {});
  void start(int listener);
  // Ends what waits for a request at once; what is being answered goes on, until the second call.
  void stop();
  [[nodiscard]] bool empty() const { return tasks_.empty(); }

 private:
  class Seat;
  struct Answer {
    int status = 200;
    wire::HttpFields fields;
    nlohmann::json body;  // null: none
  };
  // One request on its way.
  struct Call {
    net::HttpStream& http;
    net::ByteStream& stream;
    wire::HttpRequestHead head;
    cache::Partition partition;
    std::string path;  // of the target, without its query
    std::string query;
    bool keep = false;  // whether the connection may go on
    int status = 0;     // what was answered
  };
  struct Received {
    std::uint64_t bytes = 0;
    std::optional<Digest256> digest;  // of this body, where it was asked for
  };

  void admit(net::OwnedFd fd);
  net::Task<void> serve(int fd, std::unique_ptr<Seat> seat);
  net::Task<bool> serve_request(net::HttpStream& http, net::ByteStream& stream);
  net::Task<void> route(Call& call);

  // apps/media-cache/objects.cc
  net::Task<void> get_object(Call& call, std::string target);
  net::Task<void> put_object(Call& call, std::string target);
  net::Task<void> delete_object(Call& call, std::string target);
  net::Task<void> pin_object(Call& call, std::string target, bool pinned);
  net::Task<void> list_objects(Call& call);
  net::Task<void> clear_objects(Call& call);
  net::Task<void> show_usage(Call& call);
  net::Task<bool> send_piece(Call& call, std::shared_ptr<MediaObject> object, std::uint64_t number,
                             wire::ByteRange range, Bytes first);
  // Seals and publishes, as MediaIndex::publish() does. The answer to it.
  net::Task<Answer> complete(cache::Partition partition, std::string name, Draft draft,
                             cache::ObjectFacts facts, std::optional<Digest256> expected,
                             std::optional<std::uint64_t> seen = std::nullopt);

  // apps/media-cache/uploads.cc
  net::Task<void> start_upload(Call& call, cache::ObjectName name, cache::UploadStart start);
  net::Task<void> serve_upload(Call& call, std::string id);
  net::Task<void> append_upload(Call& call, store::UploadRecord upload);
  // The rest of the request's body into the draft; `most`: of the whole object, where it is known.
  // Nothing: the connection broke, or a refusal that stands in `refusal`.
  net::Task<std::optional<Received>> receive(Call& call, Draft& draft,
                                             std::optional<std::uint64_t> most, bool with_digest,
                                             cache::Refusal& refusal);

  // apps/media-cache/prefetching.cc
  net::Task<void> serve_prefetch(Call& call);
  net::Task<void> add_job(Call& call);
  net::Task<void> list_jobs(Call& call);
  net::Task<void> show_job(Call& call, cache::JobId id);
  net::Task<void> end_job(Call& call, cache::JobId id);
  net::Task<void> watch_job(Call& call, cache::JobId id);
  net::Task<std::optional<cache::JobRecord>> job_of(const Call& call, cache::JobId id);

  net::Task<void> answer(Call& call, Answer answer);
  net::Task<void> refuse(Call& call, cache::Refusal refusal);
  static cache::Refusal refusal_of(const store::Error& error);
  static std::optional<std::uint64_t> body_length(const Call& call);

  net::Executor executor_;
  Vault& vault_;
  Prefetcher* prefetcher_;
  Random& random_;
  const Clock& clock_;
  ServeLimits limits_;
  std::shared_ptr<net::WatchedFd> listener_;
  std::set<net::ByteStream*> idle_;
  std::set<store::UploadId> busy_;
  std::size_t open_ = 0;
  Shares readers_{4, 2};    // of lists of URLs
  Shares streams_{64, 16};  // of a job's events
  bool stopping_ = false;
  net::TaskGroup tasks_;
};

}  // namespace latchkey::mediacache
