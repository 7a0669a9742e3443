#include "media-cache/server.h"

#include <spdlog/spdlog.h>

#include "base/text.h"
#include "wire/http_selection.h"

namespace latchkey::mediacache {

namespace {

constexpr std::size_t kMaxDrain = 65536;

// Of a request that was refused early: an upload may be long.
constexpr std::size_t kLingerBytes = 32 << 20;

// Whose request it is, as the device in front says.
Result<cache::Partition, cache::Refusal> partition_of(const wire::HttpFields& fields,
                                                      bool per_person) {
  const std::size_t origins = fields.count("X-Latchkey-Origin");
  const auto origin =
      origins == 1 ? Origin::parse(*fields.find("X-Latchkey-Origin")) : std::nullopt;
  if (fields.count("X-Latchkey-Sub") != 1 || fields.find("X-Latchkey-Sub")->empty() ||
      origins > 1 || (origins == 1 && !origin)) {
    return fail(cache::Refusal{403, "not_from_the_device", "only the device in front may ask"});
  }
  if (!per_person) {
    return cache::Partition::of(origin);
  }
  const bool says_one =
      fields.count("X-Latchkey-Issuer") == 1 && fields.count("X-Latchkey-User") == 1;
  const auto person = says_one ? cache::Person::make(*fields.find("X-Latchkey-Issuer"),
                                                     *fields.find("X-Latchkey-User"))
                               : std::nullopt;
  if (!person) {
    return fail(cache::Refusal{401, "sign_in_required", "this cache is for people who signed in"});
  }
  return cache::Partition::of(origin, person);
}

}  // namespace

class Server::Seat {
 public:
  explicit Seat(Server& server) : server_(server) { ++server_.open_; }
  ~Seat() { --server_.open_; }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

 private:
  Server& server_;
};

Server::Server(net::Executor executor, Vault& vault, Prefetcher* prefetcher, Random& random,
               const Clock& clock, ServeLimits limits)
    : executor_(executor),
      vault_(vault),
      prefetcher_(prefetcher),
      random_(random),
      clock_(clock),
      limits_(limits),
      tasks_(std::move(executor)) {}

void Server::start(int listener) {
  listener_ = net::WatchedFd::take(executor_, listener);
  tasks_.spawn(net::accept_each(
      listener_, [this](net::OwnedFd fd, const net::PeerAddress&) { admit(std::move(fd)); }));
}

void Server::stop() {
  if (stopping_) {
    tasks_.cancel();
    return;
  }
  stopping_ = true;
  listener_->close();
  for (net::ByteStream* stream : idle_) {
    stream->close();
  }
}

void Server::admit(net::OwnedFd fd) {
  if (open_ < limits_.connections && !stopping_) {
    tasks_.spawn(serve(fd.release(), std::make_unique<Seat>(*this)));
  }
}

net::Task<void> Server::serve(int fd, [[maybe_unused]] std::unique_ptr<Seat> seat) {
  net::FdStream stream(executor_, fd);
  net::HttpStream http(stream);
  while (stream.is_open() && !stopping_) {
    if (http.buffered() == 0) {
      http.release_buffer();
      idle_.insert(&stream);
    }
    const auto read = co_await http.read_request(net::after(limits_.idle), limits_.head);
    idle_.erase(&stream);
    if (!read) {
      if (http.fault()) {
        wire::HttpResponseHead head;
        head.status = net::status_of(*http.fault());
        head.fields.add("Content-Length", "0");
        head.fields.add("Connection", "close");
        std::string bytes = net::encode_head(head);
        (void)co_await http.write(std::move(bytes), limits_.stall);
      }
      break;
    }
    if (!co_await serve_request(http, stream)) {
      if (stream.is_open() && !http.message().done()) {
        co_await net::linger(stream, kLingerBytes);
      }
      break;
    }
  }
  co_await stream.shutdown();
}

net::Task<bool> Server::serve_request(net::HttpStream& http, net::ByteStream& stream) {
  wire::HttpRequestHead head = http.message().request_head();
  const auto partition = partition_of(head.fields, limits_.per_person);
  const std::size_t mark = head.target.find('?');
  Call call{
      http, stream, std::move(head), partition ? *partition : cache::Partition::of(std::nullopt),
      {},   {},     false,           0};
  call.keep = http.message().keep_alive() && !stopping_;
  call.path = call.head.target.substr(0, mark);
  call.query = mark == std::string::npos ? std::string() : call.head.target.substr(mark + 1);
  if (partition) {
    co_await route(call);
  } else {
    cache::Refusal refusal = partition.error();
    co_await refuse(call, std::move(refusal));
  }
  spdlog::debug("{} {} {}", call.head.method, call.path, call.status);
  co_return call.keep && !stopping_;
}

net::Task<void> Server::route(Call& call) {
  constexpr std::string_view kObjects = "/objects/";
  constexpr std::string_view kPins = "/pins/";
  constexpr std::string_view kUploads = "/uploads/";
  const std::string& method = call.head.method;
  std::string allowed;
  if (call.head.target.starts_with(kObjects)) {
    std::string target = call.head.target.substr(kObjects.size());
    if (method == "GET" || method == "HEAD") {
      co_return co_await get_object(call, std::move(target));
    }
    if (method == "PUT") {
      co_return co_await put_object(call, std::move(target));
    }
    if (method == "DELETE") {
      co_return co_await delete_object(call, std::move(target));
    }
    allowed = "GET, HEAD, PUT, DELETE";
  } else if (call.head.target.starts_with(kPins)) {
    if (method == "PUT" || method == "DELETE") {
      std::string target = call.head.target.substr(kPins.size());
      co_return co_await pin_object(call, std::move(target), method == "PUT");
    }
    allowed = "PUT, DELETE";
  } else if (call.path.starts_with(kUploads)) {
    std::string id = call.path.substr(kUploads.size());
    co_return co_await serve_upload(call, std::move(id));
  } else if (call.path == "/objects") {
    if (method == "GET" || method == "HEAD") {
      co_return co_await list_objects(call);
    }
    if (method == "DELETE") {
      co_return co_await clear_objects(call);
    }
    allowed = "GET, HEAD, DELETE";
  } else if (call.path == "/prefetch" || call.path.starts_with("/prefetch/")) {
    co_return co_await serve_prefetch(call);
  } else if (call.path == "/usage") {
    if (method == "GET" || method == "HEAD") {
      co_return co_await show_usage(call);
    }
    allowed = "GET, HEAD";
  }
  Answer no;
  no.status = allowed.empty() ? 404 : 405;
  no.body = {{"error", allowed.empty() ? "not_found" : "method_not_allowed"},
             {"message", allowed.empty() ? "there is nothing at this path"
                                         : "that is not done with this method"}};
  if (!allowed.empty()) {
    no.fields.add("Allow", allowed);
  }
  co_await answer(call, std::move(no));
}

net::Task<void> Server::answer(Call& call, Answer answer) {
  const bool head_only = call.head.method == "HEAD";
  const bool bare = answer.status == 204 || answer.status == 304;
  const std::string body = answer.body.is_null() ? std::string() : answer.body.dump();
  // A request that was not read to its end: a little of it is read away, else the connection ends.
  if (call.keep && !call.http.message().done()) {
    const auto rest = co_await call.http.read_all(kMaxDrain, net::after(limits_.head));
    call.keep = rest.has_value();
  }
  wire::HttpResponseHead head;
  head.status = answer.status;
  head.fields = std::move(answer.fields);
  head.fields.add("Date", wire::http_date(clock_.wall_now().unix_seconds));
  if (!head.fields.has("Cache-Control")) {
    head.fields.add("Cache-Control", "no-store");
  }
  if (!bare) {
    if (!body.empty()) {
      head.fields.add("Content-Type", "application/json");
    }
    head.fields.add("Content-Length", std::to_string(body.size()));
  }
  if (!call.keep) {
    head.fields.add("Connection", "close");
  }
  std::string bytes = net::encode_head(head);
  if (!head_only && !bare) {
    bytes.append(body);
  }
  call.status = answer.status;
  const auto written = co_await call.http.write(std::move(bytes), limits_.stall);
  call.keep = call.keep && written.has_value();
}

net::Task<void> Server::refuse(Call& call, cache::Refusal refusal) {
  Answer no;
  no.status = refusal.status;
  no.body = {{"error", refusal.code}, {"message", refusal.message}};
  co_await answer(call, std::move(no));
}

cache::Refusal Server::refusal_of(const store::Error& error) {
  // Nothing is wrong with the request: there is no place for it now.
  if (error.code == store::ErrorCode::kNoRoom) {
    return {507, "no_room", "there is no room for it"};
  }
  if (error.code == store::ErrorCode::kConflict) {
    return {412, "condition_failed", "the object is another one"};
  }
  spdlog::warn("the store: {}", error.detail);
  return {507, "not_stored", "it could not be stored"};
}

std::optional<std::uint64_t> Server::body_length(const Call& call) {
  const net::HttpDecoder& message = call.http.message();
  switch (message.body_kind()) {
    case net::BodyKind::kNone:
      return 0;
    case net::BodyKind::kLength:
      return message.content_length();
    default:
      return std::nullopt;
  }
}

}  // namespace latchkey::mediacache
