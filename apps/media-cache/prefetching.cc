// Requests about jobs that fetch: making, showing, watching, ending.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/encoding.h"
#include "media-cache/server.h"
#include "wire/strict_json.h"

namespace latchkey::mediacache {

namespace {

constexpr std::size_t kMaxAsked = 4 << 20;  // bytes of a list of URLs
constexpr std::size_t kEventsAtOnce = 256;
constexpr std::chrono::milliseconds kStreamPause{150};
constexpr std::chrono::milliseconds kSignOfLife{15'000};

const char* state_of(const cache::JobRecord& job) {
  switch (job.progress.state) {
    case cache::Progress::State::kRunning:
      return "running";
    case cache::Progress::State::kDone:
      return "done";
    case cache::Progress::State::kFailed:
      return "failed";
    default:
      return "stopped";
  }
}

nlohmann::json describe(const cache::JobRecord& job) {
  nlohmann::json out = {{"id", job.id.hex()},          {"path", "/prefetch/" + job.id.hex()},
                        {"state", state_of(job)},      {"items", job.progress.items},
                        {"done", job.progress.done},   {"failed", job.progress.failed},
                        {"bytes", job.progress.bytes}, {"created", job.created.unix_seconds},
                        {"live", job.progress.live},   {"skipped", job.progress.skipped}};
  if (!job.why.empty()) {
    out["why"] = job.why;
  }
  return out;
}

nlohmann::json describe(const cache::JobEvent& event) {
  const auto name = cache::ObjectName::parse(event.name);
  nlohmann::json out = {{"url", event.url}, {"path", name ? "/objects/" + name->target() : ""}};
  if (event.stored) {
    out["size"] = event.size;
  } else {
    out["why"] = event.why;
  }
  return out;
}

std::string event_text(std::uint64_t number, std::string_view kind, const nlohmann::json& data) {
  std::string text = "id: " + std::to_string(number) + "\nevent: ";
  // dump() escapes line ends, so that data is one line.
  return text.append(kind).append("\ndata: ").append(data.dump()).append("\n\n");
}

struct Asked {
  std::vector<Prefetcher::Item> items;
  bool follow = true;
  bool pin = false;
  std::uint64_t max_bandwidth = 0;
};

cache::Refusal bad(std::string message) {
  return {400, "bad_request", std::move(message)};
}

cache::Judged<Prefetcher::Item> read_item(const nlohmann::json& one, std::size_t place) {
  const std::string where = "number " + std::to_string(place + 1) + " of urls ";
  const bool plain = one.is_string();
  if (!plain && !(one.is_object() && one.contains("url") && one["url"].is_string())) {
    return fail(bad(where + "is neither a URL nor {url, sha256}"));
  }
  const auto& text = (plain ? one : one["url"]).get_ref<const std::string&>();
  auto url = cache::FetchUrl::parse(text);
  if (!url) {
    return fail(cache::Refusal{400, "bad_url", where + "is no https URL that can be fetched"});
  }
  Prefetcher::Item item{*std::move(url), std::nullopt};
  if (!plain && one.contains("sha256")) {
    const auto& hex = one["sha256"];
    const auto bytes = hex.is_string() ? hex_decode(hex.get_ref<const std::string&>(), 32)
                                       : std::optional<Bytes>();
    item.digest = bytes ? to_array<32>(*bytes) : std::nullopt;
    if (!item.digest) {
      return fail(bad(where + "has no SHA-256 in 64 lower-case digits"));
    }
  }
  return item;
}

cache::Judged<bool> read_flag(const nlohmann::json& json, const char* name, bool otherwise) {
  if (!json.contains(name)) {
    return otherwise;
  }
  return json[name].is_boolean() ? cache::Judged<bool>(json[name].get<bool>())
                                 : fail(bad(std::string(name) + " is true or false"));
}

cache::Judged<Asked> read_asked(ByteSpan body) {
  const auto json = wire::parse_json(as_text(body), {kMaxAsked, 4});
  if (!json || !json->is_object() || !json->contains("urls") || !(*json)["urls"].is_array()) {
    return fail(bad("a JSON object with a list of urls is expected"));
  }
  const auto follow = read_flag(*json, "follow", true);
  const auto pin = read_flag(*json, "pin", false);
  if (!follow || !pin) {
    return fail(follow ? pin.error() : follow.error());
  }
  Asked asked;
  asked.follow = *follow;
  asked.pin = *pin;
  if (json->contains("maxBandwidth")) {
    const auto& most = (*json)["maxBandwidth"];
    if (!most.is_number_unsigned() || most.get<std::uint64_t>() > (std::uint64_t{1} << 48U)) {
      return fail(bad("maxBandwidth is a number of bits a second"));
    }
    asked.max_bandwidth = most.get<std::uint64_t>();
  }
  const auto& urls = (*json)["urls"];
  if (urls.empty()) {
    return fail(bad("urls names nothing"));
  }
  if (urls.size() > cache::kMaxPlaylistEntries) {
    return fail(cache::Refusal{413, "too_many", "these are more than one job may have"});
  }
  std::set<std::string> seen;
  for (std::size_t i = 0; i < urls.size(); ++i) {
    auto item = read_item(urls[i], i);
    if (!item) {
      return fail(item.error());
    }
    if (seen.insert(item->url.text()).second) {
      asked.items.push_back(*std::move(item));
    }
  }
  return asked;
}

cache::Refusal refusal_for(Prefetcher::Refused why) {
  switch (why) {
    case Prefetcher::Refused::kTooManyJobs:
      return {429, "too_many_jobs", "wait until one of the others has ended"};
    case Prefetcher::Refused::kTooManyItems:
      return {413, "too_many", "these are more than can be fetched now"};
    default:
      return {507, "not_stored", "it could not be stored"};
  }
}

}  // namespace

net::Task<void> Server::serve_prefetch(Call& call) {
  constexpr std::string_view kJobs = "/prefetch/";
  constexpr std::string_view kEvents = "/events";
  const std::string& method = call.head.method;
  Answer no;
  no.status = 405;
  no.body = {{"error", "method_not_allowed"}, {"message", "that is not done with this method"}};
  if (call.path == "/prefetch") {
    if (method == "POST") {
      co_return co_await add_job(call);
    }
    if (method == "GET" || method == "HEAD") {
      co_return co_await list_jobs(call);
    }
    no.fields.add("Allow", "GET, HEAD, POST");
    co_return co_await answer(call, std::move(no));
  }
  std::string_view rest = std::string_view(call.path).substr(kJobs.size());
  const bool events = rest.ends_with(kEvents);
  const auto id = cache::JobId::parse(events ? rest.substr(0, rest.size() - kEvents.size()) : rest);
  if (!id) {
    cache::Refusal refusal{404, "not_found", "there is no such job"};
    co_return co_await refuse(call, std::move(refusal));
  }
  if (events && method == "GET") {
    co_return co_await watch_job(call, *id);
  }
  if (!events && (method == "GET" || method == "HEAD")) {
    co_return co_await show_job(call, *id);
  }
  if (!events && method == "DELETE") {
    co_return co_await end_job(call, *id);
  }
  no.fields.add("Allow", events ? "GET" : "GET, HEAD, DELETE");
  co_await answer(call, std::move(no));
}

net::Task<void> Server::add_job(Call& call) {
  if (prefetcher_ == nullptr) {
    cache::Refusal refusal{403, "no_fetching", "this device fetches nothing by itself"};
    co_return co_await refuse(call, std::move(refusal));
  }
  const std::string* type = call.head.fields.find("Content-Type");
  if (type == nullptr ||
      !wire::iequals(std::string_view(*type).substr(0, type->find(';')), "application/json")) {
    cache::Refusal refusal{415, "wrong_type", "a list of URLs is application/json"};
    co_return co_await refuse(call, std::move(refusal));
  }
  if (body_length(call).value_or(0) > kMaxAsked) {
    call.keep = false;
    cache::Refusal refusal{413, "too_many", "these are more than one job may have"};
    co_return co_await refuse(call, std::move(refusal));
  }
  const auto reading = readers_.enter(call.partition.key());
  if (!reading) {
    call.keep = false;
    cache::Refusal refusal{503, "busy", "others are asking at this moment"};
    co_return co_await refuse(call, std::move(refusal));
  }
  const auto body = co_await call.http.read_all(kMaxAsked, net::after(limits_.body));
  if (!body) {
    call.keep = false;
    const bool much = body.error().code == net::Error::Code::kLimit;
    cache::Refusal refusal{
        much ? 413 : 400, much ? "too_many" : "cut_off",
        much ? "these are more than one job may have" : "the body ended too early"};
    co_return co_await refuse(call, std::move(refusal));
  }
  auto asked = read_asked(*body);
  if (!asked) {
    co_return co_await refuse(call, asked.error());
  }
  const WallTime now = clock_.wall_now();
  cache::JobRecord job{cache::JobId(ByteArray<16>{}), call.partition, now, now};
  job.follow = asked->follow;
  job.pin = asked->pin;
  job.max_bandwidth = asked->max_bandwidth;
  const auto added = co_await prefetcher_->add(std::move(job), std::move(asked->items));
  if (!added) {
    co_return co_await refuse(call, refusal_for(added.error()));
  }
  Answer made;
  made.status = 202;
  made.fields.add("Location", "/prefetch/" + added->id.hex());
  made.body = describe(*added);
  co_await answer(call, std::move(made));
}

net::Task<void> Server::list_jobs(Call& call) {
  auto work = [key = call.partition.key()](MediaIndex& index) { return index.jobs(key); };
  const auto jobs = co_await vault_.ask(std::move(work));
  if (!jobs) {
    co_return co_await refuse(call, refusal_of(jobs.error()));
  }
  nlohmann::json list = nlohmann::json::array();
  for (const cache::JobRecord& job : *jobs) {
    list.push_back(describe(job));
  }
  Answer done;
  done.body = {{"jobs", std::move(list)}};
  co_await answer(call, std::move(done));
}

net::Task<std::optional<cache::JobRecord>> Server::job_of(const Call& call, cache::JobId id) {
  auto work = [key = call.partition.key(), id](MediaIndex& index) {
    return index.find_job(key, id);
  };
  auto found = co_await vault_.ask(std::move(work));
  co_return found && *found ? *std::move(found) : std::nullopt;
}

net::Task<void> Server::show_job(Call& call, cache::JobId id) {
  const auto job = co_await job_of(call, id);
  if (!job) {
    cache::Refusal refusal{404, "not_found", "there is no such job"};
    co_return co_await refuse(call, std::move(refusal));
  }
  Answer done;
  done.body = describe(*job);
  co_await answer(call, std::move(done));
}

net::Task<void> Server::end_job(Call& call, cache::JobId id) {
  Stored<bool> removed = false;
  if (prefetcher_ != nullptr) {
    removed = co_await prefetcher_->remove(call.partition, id);
  } else {
    auto work = [key = call.partition.key(), id](MediaIndex& index) {
      return index.remove_job(key, id);
    };
    removed = co_await vault_.ask(std::move(work));
  }
  if (!removed) {
    co_return co_await refuse(call, refusal_of(removed.error()));
  }
  if (!*removed) {
    cache::Refusal refusal{404, "not_found", "there is no such job"};
    co_return co_await refuse(call, std::move(refusal));
  }
  Answer done;
  done.status = 204;
  co_await answer(call, std::move(done));
}

net::Task<void> Server::watch_job(Call& call, cache::JobId id) {
  const auto first = co_await job_of(call, id);
  const auto watching = first ? streams_.enter(call.partition.key()) : std::nullopt;
  if (!watching) {
    cache::Refusal refusal{404, "not_found", "there is no such job"};
    if (first) {
      refusal = {503, "busy", "too many are watching; ask for the job itself now and then"};
    }
    co_return co_await refuse(call, std::move(refusal));
  }
  const std::string* last = call.head.fields.find("Last-Event-ID");
  std::uint64_t seen = last != nullptr ? cache::parse_count(*last).value_or(0) : 0;
  wire::HttpResponseHead head;
  head.status = call.status = 200;
  head.fields.add("Content-Type", "text/event-stream");
  head.fields.add("Cache-Control", "no-store");
  head.fields.add("Transfer-Encoding", "chunked");
  head.fields.add("Connection", "close");
  call.keep = false;
  std::string text = net::encode_head(head);
  bool good = (co_await call.http.write(std::move(text), limits_.stall)).has_value();
  std::optional<cache::Progress> told;
  while (good && !stopping_) {
    const auto job = co_await job_of(call, id);
    auto work = [id, seen](MediaIndex& index) { return index.job_events(id, seen, kEventsAtOnce); };
    const auto events = co_await vault_.ask(std::move(work));
    std::string out;
    for (std::size_t i = 0; job && events && i < events->size(); ++i) {
      const cache::JobEvent& event = (*events)[i];
      seen = event.number;
      out += event_text(seen, event.stored ? "object" : "failed", describe(event));
    }
    const bool more = events && events->size() == kEventsAtOnce;
    if (job && !more && job->progress != told) {
      out += event_text(seen, "progress", describe(*job));
      told = job->progress;
    }
    const bool over = !job || (!more && job->progress.state != cache::Progress::State::kRunning);
    if (over) {
      out += event_text(seen, "end", job ? describe(*job) : nlohmann::json({{"state", "gone"}}));
    }
    if (!out.empty()) {
      good = (co_await call.http.write_piece(as_bytes(out), true, limits_.stall)).has_value();
    }
    if (over || !good) {
      break;
    }
    // Something every few moments, however quickly files come.
    co_await net::sleep_until(net::after(kStreamPause));
    if (more || prefetcher_ == nullptr) {
      continue;
    }
    if (const auto now = co_await job_of(call, id); now && now->progress == told) {
      const auto deadline = net::after(kSignOfLife);
      co_await prefetcher_->changed(deadline);
      if (!stopping_ && std::chrono::steady_clock::now() >= deadline) {
        constexpr std::string_view kAlive = ":\n\n";
        good = (co_await call.http.write_piece(as_bytes(kAlive), true, limits_.stall)).has_value();
      }
    }
  }
  if (good) {
    (void)co_await call.http.write("0\r\n\r\n", limits_.stall);
  }
}

}  // namespace latchkey::mediacache
