// Objects: reading, putting, deleting, pinning, listing.
#include <spdlog/spdlog.h>

#include <charconv>

#include "base/encoding.h"
#include "base/text.h"
#include "cache/digest.h"
#include "cache/reading.h"
#include "media-cache/server.h"
#include "wire/http_selection.h"

namespace latchkey::mediacache {

namespace {

constexpr std::uint64_t kPiece = 256 * 1024;
constexpr std::size_t kMaxListed = 1000;
constexpr std::uint64_t kFirstRoom = 1 << 20;  // of a body that does not say how long it is

cache::Refusal bad_name() {
  return {400, "bad_name", "that is no name of an object"};
}
cache::Refusal not_here() {
  return {404, "not_found", "there is no such object here"};
}

// The values of a query by their names; nothing where one comes twice or is no UTF-8.
std::optional<std::map<std::string, std::string>> parse_query(std::string_view query) {
  std::map<std::string, std::string> out;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    const auto name = percent_decode(pair.substr(0, equals));
    const auto value = percent_decode(equals == std::string_view::npos ? std::string_view()
                                                                       : pair.substr(equals + 1));
    if (!name || !value || !is_utf8(*value) || value->size() > cache::kMaxObjectName ||
        !out.emplace(*name, *value).second) {
      return std::nullopt;
    }
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
  }
  return out;
}

std::optional<std::size_t> read_limit(const std::map<std::string, std::string>& query) {
  const auto at = query.find("limit");
  if (at == query.end()) {
    return kMaxListed;
  }
  const auto number = cache::parse_count(at->second);
  return number && *number > 0
             ? std::optional(static_cast<std::size_t>(std::min<std::uint64_t>(*number, kMaxListed)))
             : std::nullopt;
}

std::string value_or_empty(const std::map<std::string, std::string>& query, const char* name) {
  const auto at = query.find(name);
  return at == query.end() ? std::string() : at->second;
}

wire::ByteRange first_piece(const wire::ByteRange& range) {
  return {range.offset, std::min(range.length, kPiece)};
}

}  // namespace

net::Task<void> Server::get_object(Call& call, std::string target) {
  const auto name = cache::ObjectName::from_target(target);
  if (!name) {
    co_return co_await refuse(call, bad_name());
  }
  auto find = [key = call.partition.key(), text = name->text(),
               now = clock_.wall_now()](MediaIndex& index) { return index.find(key, text, now); };
  const auto found = co_await vault_.ask(std::move(find));
  // A disk that fails is a miss: the page has another place to get it from.
  if (!found || !*found) {
    if (!found) {
      spdlog::warn("the index: {}", found.error().detail);
    }
    co_return co_await refuse(call, not_here());
  }
  const cache::ObjectRecord& record = **found;
  const std::string boundary = hex_encode(random_.bytes<16>());
  const cache::ReadPlan plan = cache::plan_reading(call.head, record, boundary);
  const auto opened = co_await vault_.open(record);
  if (!opened) {
    co_return co_await refuse(call, not_here());
  }
  // The first piece is read before anything is said: a damaged object is a miss, not half a film.
  const bool with_body = call.head.method == "GET" && !plan.body.empty() && record.size > 0;
  Bytes first;
  if (with_body) {
    const wire::ByteRange range = first_piece(plan.body.front().range);
    auto got = co_await vault_.read(*opened, record.number, range);
    if (!got) {
      co_return co_await refuse(call, not_here());
    }
    first = *std::move(got);
  }
  wire::HttpResponseHead head;
  head.status = plan.status;
  head.fields = plan.fields;
  if (limits_.per_person) {
    // Whoever uses the browser next is asked about first, whatever the site said of its film.
    head.fields.set("Cache-Control", "private, no-cache");
  }
  head.fields.add("Date", wire::http_date(clock_.wall_now().unix_seconds));
  if (plan.status != 304) {
    head.fields.add("Content-Length", std::to_string(plan.length));
  }
  call.keep = call.keep && call.http.message().done();
  if (!call.keep) {
    head.fields.add("Connection", "close");
  }
  call.status = plan.status;
  std::string bytes = net::encode_head(head);
  const auto written = co_await call.http.write(std::move(bytes), limits_.stall);
  bool good = written.has_value();
  for (std::size_t i = 0; with_body && good && i < plan.body.size(); ++i) {
    const cache::Piece& piece = plan.body[i];
    if (!piece.text.empty()) {
      good = (co_await call.http.write(std::string(piece.text), limits_.stall)).has_value();
    }
    if (good && piece.range.length > 0) {
      Bytes begun = i == 0 ? std::move(first) : Bytes();
      good = co_await send_piece(call, *opened, record.number, piece.range, std::move(begun));
    }
  }
  if (!good) {
    // An answer that is cut off says so; one that is padded would lie.
    call.stream.close();
    call.keep = false;
  }
}

net::Task<bool> Server::send_piece(Call& call, std::shared_ptr<MediaObject> object,
                                   std::uint64_t number, wire::ByteRange range, Bytes first) {
  while (range.length > 0) {
    if (first.empty()) {
      const wire::ByteRange next = first_piece(range);
      auto got = co_await vault_.read(object, number, next);
      if (!got) {
        co_return false;
      }
      first = *std::move(got);
    }
    const auto written = co_await call.http.write_piece(first, false, limits_.stall);
    if (!written) {
      co_return false;
    }
    range.offset += first.size();
    range.length -= first.size();
    first.clear();
  }
  co_return true;
}

net::Task<void> Server::put_object(Call& call, std::string target) {
  auto name = cache::ObjectName::from_target(target);
  if (!name) {
    co_return co_await refuse(call, bad_name());
  }
  auto start = cache::read_upload_start(call.head, body_length(call));
  if (!start) {
    co_return co_await refuse(call, start.error());
  }
  auto find = [key = call.partition.key(), text = name->text(),
               now = clock_.wall_now()](MediaIndex& index) { return index.find(key, text, now); };
  const auto found = co_await vault_.ask(std::move(find));
  const auto current = found && *found ? std::optional(cache::validators(**found)) : std::nullopt;
  if (const auto status = wire::judge_conditions(call.head, current)) {
    cache::Refusal refusal{*status, "condition_failed", "the object is another one"};
    co_return co_await refuse(call, std::move(refusal));
  }
  if (start->resumable) {
    co_return co_await start_upload(call, *std::move(name), *std::move(start));
  }
  auto begun = co_await vault_.begin(call.partition, start->length.value_or(kFirstRoom));
  if (!begun) {
    co_return co_await refuse(call, refusal_of(begun.error()));
  }
  Draft draft = *std::move(begun);
  cache::Refusal refusal;
  const auto received = co_await receive(call, draft, start->length, false, refusal);
  if (!received) {
    co_await vault_.give_up(std::move(draft));
    co_return co_await refuse(call, std::move(refusal));
  }
  // Of two that come at the same time and must not replace anything, one is first.
  std::optional<std::uint64_t> seen;
  if (found && (call.head.fields.has("If-None-Match") || call.head.fields.has("If-Match"))) {
    seen = *found ? (*found)->number : 0;
  }
  Answer done = co_await complete(call.partition, name->text(), std::move(draft), start->facts,
                                  start->digest, seen);
  co_await answer(call, std::move(done));
}

net::Task<Server::Answer> Server::complete(cache::Partition partition, std::string name,
                                           Draft draft, cache::ObjectFacts facts,
                                           std::optional<Digest256> expected,
                                           std::optional<std::uint64_t> seen) {
  Answer out;
  const auto sealed = co_await vault_.finish(draft);
  if (!sealed || (expected && *expected != sealed->digest)) {
    const cache::Refusal refusal =
        sealed ? cache::Refusal{400, "digest_mismatch", "the content is not what its digest says"}
               : refusal_of(sealed.error());
    co_await vault_.give_up(std::move(draft));
    out.status = refusal.status;
    out.body = {{"error", refusal.code}, {"message", refusal.message}};
    co_return out;
  }
  const auto published =
      co_await vault_.publish(std::move(partition), std::move(name), std::move(draft), *sealed,
                              std::move(facts), clock_.wall_now(), seen);
  if (!published) {
    const cache::Refusal refusal = refusal_of(published.error());
    out.status = refusal.status;
    out.body = {{"error", refusal.code}, {"message", refusal.message}};
    co_return out;
  }
  const cache::ObjectRecord& object = published->object;
  out.status = published->replaced ? 200 : 201;
  out.fields.add("ETag", cache::entity_tag(object));
  out.fields.add(cache::kReprDigest, cache::digest_value(object.digest));
  out.body = {{"name", object.name},
              {"size", object.size},
              {"etag", cache::entity_tag(object)},
              {"sha256", hex_encode(object.digest)},
              {"replaced", published->replaced}};
  co_return out;
}

net::Task<void> Server::delete_object(Call& call, std::string target) {
  const auto name = cache::ObjectName::from_target(target);
  if (!name) {
    co_return co_await refuse(call, bad_name());
  }
  auto work = [key = call.partition.key(), text = name->text()](MediaIndex& index) {
    return index.remove(key, text);
  };
  const auto removed = co_await vault_.ask(std::move(work));
  if (!removed) {
    co_return co_await refuse(call, refusal_of(removed.error()));
  }
  if (!*removed) {
    co_return co_await refuse(call, not_here());
  }
  Answer done;
  done.status = 204;
  co_await answer(call, std::move(done));
}

net::Task<void> Server::pin_object(Call& call, std::string target, bool pinned) {
  const auto name = cache::ObjectName::from_target(target);
  if (!name) {
    co_return co_await refuse(call, bad_name());
  }
  auto work = [key = call.partition.key(), text = name->text(), pinned](MediaIndex& index) {
    return index.pin(key, text, pinned);
  };
  const auto done = co_await vault_.ask(std::move(work));
  if (!done) {
    co_return co_await refuse(call, refusal_of(done.error()));
  }
  if (!*done) {
    co_return co_await refuse(call, not_here());
  }
  Answer good;
  good.status = 204;
  co_await answer(call, std::move(good));
}

net::Task<void> Server::list_objects(Call& call) {
  const auto query = parse_query(call.query);
  const auto limit = query ? read_limit(*query) : std::nullopt;
  if (!limit) {
    cache::Refusal refusal{400, "bad_request", "prefix, after and limit are understood"};
    co_return co_await refuse(call, std::move(refusal));
  }
  auto work = [key = call.partition.key(), prefix = value_or_empty(*query, "prefix"),
               after = value_or_empty(*query, "after"),
               most = *limit](MediaIndex& index) { return index.list(key, prefix, after, most); };
  const auto listed = co_await vault_.ask(std::move(work));
  if (!listed) {
    co_return co_await refuse(call, refusal_of(listed.error()));
  }
  nlohmann::json objects = nlohmann::json::array();
  for (const store::Listed& one : *listed) {
    const auto name = cache::ObjectName::parse(one.name);
    objects.push_back({{"name", one.name},
                       {"path", name ? "/objects/" + name->target() : std::string()},
                       {"size", one.size},
                       {"type", one.type},
                       {"sha256", hex_encode(one.digest)},
                       {"stored", one.stored.unix_seconds},
                       {"pinned", one.pinned}});
  }
  Answer done;
  done.body = {{"objects", std::move(objects)}, {"after", nullptr}};
  if (listed->size() == *limit) {
    done.body["after"] = listed->back().name;
  }
  co_await answer(call, std::move(done));
}

net::Task<void> Server::clear_objects(Call& call) {
  if (prefetcher_ != nullptr) {
    prefetcher_->forget(call.partition);
  }
  auto work = [key = call.partition.key()](MediaIndex& index) { return index.clear(key); };
  const auto cleared = co_await vault_.ask(std::move(work));
  if (!cleared) {
    co_return co_await refuse(call, refusal_of(cleared.error()));
  }
  Answer done;
  done.status = 204;
  co_await answer(call, std::move(done));
}

net::Task<void> Server::show_usage(Call& call) {
  auto work = [key = call.partition.key()](MediaIndex& index) { return index.usage(key); };
  const auto usage = co_await vault_.ask(std::move(work));
  if (!usage) {
    co_return co_await refuse(call, refusal_of(usage.error()));
  }
  const auto quota = co_await vault_.quota();
  if (!quota) {
    co_return co_await refuse(call, refusal_of(quota.error()));
  }
  Answer done;
  // What others hold is none of this origin's business; a limit that the disk sets is coarse.
  done.body = {{"objects", usage->objects},
               {"bytes", usage->bytes},
               {"pinnedBytes", usage->pinned_bytes},
               {"limit", quota->per_origin}};
  co_await answer(call, std::move(done));
}

}  // namespace latchkey::mediacache
