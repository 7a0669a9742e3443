// Bodies on their way in, and uploads that are made of several requests.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "cache/upload.h"
#include "media-cache/server.h"

namespace latchkey::mediacache {

namespace {

constexpr std::size_t kBuffer = 512 * 1024;
constexpr std::uint64_t kRoomStep = 64 << 20;  // where nobody said how much is to come
constexpr std::uint64_t kSyncStep = 32 << 20;  // so that the last sync is a short one

cache::Refusal no_upload() {
  return {404, "not_found", "there is no such upload; it may have been given up"};
}

void add_offset(wire::HttpFields& fields, const store::UploadRecord& upload) {
  fields.add(cache::kUploadOffset, std::to_string(upload.offset));
  fields.add(cache::kUploadComplete, "?0");
}

nlohmann::json describe(const store::UploadRecord& upload) {
  nlohmann::json out = {{"upload", "/uploads/" + upload.id.hex()},
                        {"name", upload.name},
                        {"offset", upload.offset},
                        {"complete", false}};
  out["length"] = upload.length ? nlohmann::json(*upload.length) : nlohmann::json();
  return out;
}

}  // namespace

net::Task<std::optional<Server::Received>> Server::receive(Call& call, Draft& draft,
                                                           std::optional<std::uint64_t> most,
                                                           bool with_digest,
                                                           cache::Refusal& refusal) {
  Received received;
  crypto::Sha256 hash;
  Bytes buffer;
  std::uint64_t synced = draft.file->size();
  const std::string* expect = call.head.fields.find("Expect");
  if (expect != nullptr && wire::iequals(*expect, "100-continue") && !call.http.message().done()) {
    std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    (void)co_await call.http.write(std::move(go_on), limits_.stall);
  }
  const std::uint64_t limit = most.value_or(cache::kMaxObjectBytes);
  for (bool over = false; !over;) {
    const auto piece = co_await call.http.read_body(net::after(limits_.body));
    if (!piece) {
      refusal = {400, "cut_off", "the body ended too early"};
      call.keep = false;
      co_return std::nullopt;
    }
    over = piece->empty();
    received.bytes += piece->size();
    append(buffer, *piece);
    const std::uint64_t size = draft.file->size() + buffer.size();
    if (size > limit) {
      refusal = {400, "too_long", "there is more of it than was said"};
      call.keep = false;
      co_return std::nullopt;
    }
    if (buffer.size() < kBuffer && !over) {
      continue;
    }
    if (buffer.empty()) {
      break;
    }
    if (size > draft.reserved) {
      const auto room =
          co_await vault_.enlarge(call.partition, draft, std::min(size + kRoomStep, limit));
      if (!room) {
        refusal = refusal_of(room.error());
        call.keep = false;
        co_return std::nullopt;
      }
    }
    if (with_digest) {
      hash.update(buffer);
    }
    const auto written = co_await vault_.write(draft, std::move(buffer));
    buffer = Bytes();
    if (!written) {
      refusal = refusal_of(written.error());
      call.keep = false;
      co_return std::nullopt;
    }
    if (draft.file->size() - synced >= kSyncStep) {
      (void)co_await vault_.sync(draft);  // the last one counts
      synced = draft.file->size();
    }
  }
  if (with_digest) {
    received.digest = hash.finish();
  }
  co_return received;
}

net::Task<void> Server::start_upload(Call& call, cache::ObjectName name, cache::UploadStart start) {
  auto begun =
      co_await vault_.begin(call.partition, start.length.value_or(body_length(call).value_or(0)));
  if (!begun) {
    co_return co_await refuse(call, refusal_of(begun.error()));
  }
  Draft draft = *std::move(begun);
  cache::Refusal refusal;
  const auto received =
      co_await receive(call, draft, start.length, start.content.has_value(), refusal);
  if (received && start.content && received->digest != start.content) {
    refusal = {400, "digest_mismatch", "the content is not what its digest says"};
  }
  const bool whole = start.complete || !start.length || draft.file->size() <= *start.length;
  if (!received || !refusal.code.empty() || !whole) {
    co_await vault_.give_up(std::move(draft));
    co_return co_await refuse(call, std::move(refusal));
  }
  if (start.complete) {
    Answer done =
        co_await complete(call.partition, name.text(), std::move(draft), start.facts, start.digest);
    done.fields.add(cache::kUploadComplete, "?1");
    co_return co_await answer(call, std::move(done));
  }
  store::UploadRecord upload{store::UploadId::make(random_),
                             draft.number,
                             name.text(),
                             start.length,
                             start.digest,
                             start.facts,
                             draft.file->size(),
                             clock_.wall_now()};
  auto synced = co_await vault_.sync(draft);
  if (synced) {
    auto work = [key = call.partition.key(), upload](MediaIndex& index) {
      return index.add_upload(key, upload);
    };
    synced = co_await vault_.ask(std::move(work));
  }
  if (!synced) {
    co_await vault_.give_up(std::move(draft));
    co_return co_await refuse(call, refusal_of(synced.error()));
  }
  vault_.keep(upload.id, std::move(draft));
  Answer made;
  made.status = 201;
  made.fields.add("Location", "/uploads/" + upload.id.hex());
  add_offset(made.fields, upload);
  made.body = describe(upload);
  co_await answer(call, std::move(made));
}

net::Task<void> Server::serve_upload(Call& call, std::string text) {
  const auto id = store::UploadId::parse(text);
  const std::string& method = call.head.method;
  if (!id) {
    co_return co_await refuse(call, no_upload());
  }
  auto find = [key = call.partition.key(), id = *id](MediaIndex& index) {
    return index.find_upload(key, id);
  };
  auto found = co_await vault_.ask(std::move(find));
  if (!found || !*found) {
    // It has a name because g++ 12 destroys a conditional temporary of co_await twice.
    cache::Refusal refusal = no_upload();
    if (!found) {
      refusal = refusal_of(found.error());
    }
    co_return co_await refuse(call, std::move(refusal));
  }
  if (method == "PATCH" || method == "DELETE") {
    if (!busy_.insert(*id).second) {
      cache::Refusal refusal{409, "busy", "another request is at this upload"};
      co_return co_await refuse(call, std::move(refusal));
    }
    // The set is told however this ends, also by cancellation.
    struct Busy {
      std::set<store::UploadId>& all;
      store::UploadId id;
      ~Busy() { all.erase(id); }
    };
    const Busy busy{busy_, *id};
    if (method == "PATCH") {
      // Somebody may have moved it while we asked.
      auto again = [key = call.partition.key(), id = *id](MediaIndex& index) {
        return index.find_upload(key, id);
      };
      auto now = co_await vault_.ask(std::move(again));
      if (!now || !*now) {
        co_return co_await refuse(call, no_upload());
      }
      co_return co_await append_upload(call, **std::move(now));
    }
    vault_.forget(*id);
    auto end = [id = *id](MediaIndex& index) { return index.end_upload(id); };
    const auto ended = co_await vault_.ask(std::move(end));
    if (!ended) {
      co_return co_await refuse(call, refusal_of(ended.error()));
    }
    Answer done;
    done.status = 204;
    co_return co_await answer(call, std::move(done));
  }
  Answer shown;
  if (method == "HEAD" || method == "GET") {
    add_offset(shown.fields, **found);
    shown.fields.add(cache::kUploadLimit, "max-size=" + std::to_string(cache::kMaxObjectBytes));
    shown.status = method == "HEAD" ? 204 : 200;
    shown.body = describe(**found);
  } else {
    shown.status = 405;
    shown.fields.add("Allow", "GET, HEAD, PATCH, DELETE");
    shown.body = {{"error", "method_not_allowed"},
                  {"message", "that is not done with this method"}};
  }
  co_await answer(call, std::move(shown));
}

net::Task<void> Server::append_upload(Call& call, store::UploadRecord upload) {
  const auto append = cache::read_upload_append(call.head, body_length(call));
  if (!append) {
    co_return co_await refuse(call, append.error());
  }
  if (append->offset != upload.offset) {
    Answer no;
    no.status = 409;
    add_offset(no.fields, upload);
    no.body = {{"error", "wrong_offset"},
               {"message", "the upload is at another offset"},
               {"offset", upload.offset}};
    co_return co_await answer(call, std::move(no));
  }
  if (append->length && upload.length && *append->length != *upload.length) {
    cache::Refusal refusal{400, "inconsistent_length", "the whole had another length before"};
    co_return co_await refuse(call, std::move(refusal));
  }
  const auto length = upload.length ? upload.length : append->length;
  auto opened = co_await vault_.reopen(upload, std::max(length.value_or(0), upload.offset));
  if (!opened) {
    co_return co_await refuse(call, refusal_of(opened.error()));
  }
  Draft draft = *std::move(opened);
  const std::uint64_t expected = length.value_or(upload.offset + body_length(call).value_or(0));
  auto room = co_await vault_.enlarge(call.partition, draft, expected);
  cache::Refusal refusal = room ? cache::Refusal{} : refusal_of(room.error());
  std::optional<Received> received;
  if (room) {
    received = co_await receive(call, draft, length, append->content.has_value(), refusal);
    if (received && append->content && received->digest != append->content) {
      refusal = {400, "digest_mismatch", "the content is not what its digest says"};
      received.reset();
    }
    if (received && append->complete && length && draft.file->size() != *length) {
      refusal = {400, "inconsistent_length", "the whole is not as long as was said"};
      received.reset();
    }
  }
  const bool cut_off = !received && refusal.code == "cut_off" && !append->content;
  if (received && append->complete) {
    auto end = [id = upload.id](MediaIndex& index) { return index.end_upload(id); };
    Answer done = co_await complete(call.partition, upload.name, std::move(draft), upload.facts,
                                    upload.digest);
    if (done.status >= 300) {
      (void)co_await vault_.ask(std::move(end));
    }
    done.fields.add(cache::kUploadComplete, "?1");
    co_return co_await answer(call, std::move(done));
  }
  // What arrived before the connection broke is kept, where nobody asked for it to be checked.
  if (received || cut_off) {
    const std::uint64_t offset = draft.file->size();
    auto kept = co_await vault_.sync(draft);
    if (kept) {
      auto move = [id = upload.id, offset, length, now = clock_.wall_now()](MediaIndex& index) {
        return index.move_upload(id, offset, length, now);
      };
      kept = co_await vault_.ask(std::move(move));
    }
    if (kept) {
      upload.offset = offset;
      upload.length = length;
      vault_.keep(upload.id, std::move(draft));
    } else {
      refusal = refusal_of(kept.error());
      received.reset();
    }
  }
  if (!received) {
    co_return co_await refuse(call, std::move(refusal));
  }
  Answer done;
  done.status = 200;
  add_offset(done.fields, upload);
  done.body = describe(upload);
  co_await answer(call, std::move(done));
}

}  // namespace latchkey::mediacache
