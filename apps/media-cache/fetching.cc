#include "media-cache/fetching.h"

#include <algorithm>

namespace latchkey::mediacache {

namespace {

using cache::FetchEnd;
using cache::FetchPlan;
using Kind = FetchPlan::Kind;

constexpr std::size_t kBegin = 512;            // of a file, to see what it is
constexpr std::uint64_t kFirstRoom = 1 << 20;  // of one that does not say how long it is
constexpr std::uint64_t kRoomStep = 64 << 20;  // ... and then
constexpr std::uint64_t kSyncStep = 32 << 20;  // so that the last sync is a short one
constexpr std::chrono::hours kTotalTime{12};
constexpr std::chrono::seconds kStallTime{30};
constexpr long kLeastSpeed = 8192;  // bytes a second: slower ones keep others waiting

class Receiver {
 public:
  Receiver(Vault& vault, FetchTask task, WallTime now)
      : vault_(vault), task_(std::move(task)), now_(now), url_(task_.url) {
    if (task_.part) {
      draft_ = task_.part->draft;
    }
  }
  ~Receiver() { give_up(); }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  FetchResult run(net::FetchSession& session, const FetchRules& rules,
                  const std::atomic<bool>& cancel) {
    for (std::size_t hop = 0; hop <= cache::kMaxRedirects; ++hop) {
      plan_.reset();
      const auto got = session.fetch(request(rules, cancel));
      if (trouble_) {
        return *std::move(trouble_);
      }
      if (plan_ && plan_->kind == Kind::kRedirect) {
        url_ = *plan_->to;
        continue;
      }
      if (plan_ && (plan_->kind == Kind::kWhole || plan_->kind == Kind::kRest)) {
        return got ? whole() : broken(got.error());
      }
      return plan_ ? judged() : broken(got.error());
    }
    return {FetchEnd::kGone, "too_many_redirects"};
  }

 private:
  net::Fetch request(const FetchRules& rules, const std::atomic<bool>& cancel) {
    net::Fetch request;
    request.url = url_.text();
    request.limit = cache::kMaxObjectBytes;
    request.ca_file = rules.ca_file;
    request.origin = task_.origin;
    request.public_only = true;
    request.not_at_home = true;
    request.also = rules.also;
    request.total_time = kTotalTime;
    request.stall_time = kStallTime;
    request.least_speed = kLeastSpeed;
    request.cancel = &cancel;
    if (draft_) {
      request.from = draft_->file->size();
      request.if_range = task_.part->tag;
    } else {
      request.etag = task_.held_tag;
      request.last_modified = task_.held_modified;
    }
    request.on_head = [this](long status, const wire::HttpFields& fields) {
      return begin(status, fields);
    };
    request.sink = [this](ByteSpan bytes) { return take(bytes); };
    return request;
  }

  // False: the body is not wanted.
  bool begin(long status, const wire::HttpFields& fields) {
    cache::FetchAsk ask{url_, task_.origin};
    ask.conditional = !task_.held_tag.empty() || !task_.held_modified.empty();
    if (draft_) {
      ask.conditional = false;
      ask.have = draft_->file->size();
      ask.whole = task_.part->whole;
    }
    plan_ = cache::judge_answer(status, fields, ask, now_);
    plan_->facts.source = task_.url.text();
    if (plan_->kind == Kind::kRest) {
      // The part's server said it for the same whole.
      plan_->digest = plan_->digest ? plan_->digest : task_.part->digest;
      return true;
    }
    if (plan_->kind != Kind::kWhole) {
      return false;
    }
    give_up();
    if (plan_->length.value_or(0) > task_.room) {
      return stop(FetchEnd::kNoRoom, "no_room");
    }
    return true;
  }

  bool take(ByteSpan bytes) {
    if (draft_) {
      return write(bytes);
    }
    append(begun_, bytes);
    if (is_playlist_) {
      return begun_.size() <= cache::kMaxPlaylistBytes ||
             stop(FetchEnd::kGone, "playlist_too_large");
    }
    return begun_.size() < kBegin || decide();
  }

  // What it is, by its first bytes.
  bool decide() {
    kind_ = task_.follow ? cache::playlist_kind(plan_->facts.type, as_text(begun_))
                         : cache::PlaylistKind::kNone;
    is_playlist_ = kind_ != cache::PlaylistKind::kNone;
    if (is_playlist_) {
      return true;
    }
    return open_draft() && write(std::exchange(begun_, {}));
  }

  bool open_draft() {
    auto made = vault_.wait_begin(task_.partition, plan_->length.value_or(kFirstRoom));
    if (!made) {
      return stop_for(made.error());
    }
    draft_ = *std::move(made);
    return true;
  }

  bool write(ByteSpan bytes) {
    const std::uint64_t size = draft_->file->size() + bytes.size();
    if (size > task_.room) {
      return stop(FetchEnd::kNoRoom, "no_room");
    }
    if (size > draft_->reserved) {
      const std::uint64_t more = std::min(task_.room, size + kRoomStep);
      const auto room = vault_.wait_enlarge(task_.partition, *draft_, more);
      if (!room) {
        return stop_for(room.error());
      }
    }
    if (const auto done = draft_->file->write(bytes); !done) {
      return stop_for(done.error());
    }
    if (size - synced_ >= kSyncStep) {
      synced_ = size;
      if (const auto done = draft_->file->sync(); !done) {
        return stop_for(done.error());
      }
      note(size);
    }
    return true;
  }

  // What is on the disk now is not fetched again, whatever happens. It is a help only.
  void note(std::uint64_t size) {
    const std::uint64_t whole = plan_->length.value_or(0);
    if (size < whole && cache::is_strong_tag(plan_->facts.source_tag)) {
      (void)vault_.wait_note_part({task_.job, task_.url.text(), draft_->number,
                                   plan_->facts.source_tag, whole, plan_->digest, size});
    }
  }

  FetchResult whole() {
    if (!draft_ && !is_playlist_ && !decide()) {
      return *std::move(trouble_);
    }
    const std::uint64_t size = is_playlist_ ? begun_.size() : draft_->file->size();
    if (plan_->length && *plan_->length != size) {
      give_up();
      return {FetchEnd::kTryAgain, "cut_off"};
    }
    FetchResult result{FetchEnd::kStored, {}};
    result.kind = kind_;
    result.playlist = is_playlist_ ? std::string(as_text(begun_)) : std::string();
    result.from = url_;
    result.facts = plan_->facts;
    result.digest = plan_->digest;
    result.draft = std::exchange(draft_, std::nullopt);
    return result;
  }

  FetchResult judged() {
    FetchResult result{FetchEnd::kGone, plan_->why};
    if (plan_->kind == Kind::kGone && draft_) {
      result.end = FetchEnd::kTryAgain;  // perhaps only the part is no good any more
    } else if (plan_->kind == Kind::kUnchanged) {
      result.end = FetchEnd::kStored;
      result.unchanged = true;
    } else if (plan_->kind == Kind::kTryAgain) {
      result.end = FetchEnd::kTryAgain;
      result.wait = plan_->wait;
      keep_part(result, task_.part ? task_.part->tag : std::string(),
                task_.part ? task_.part->whole : 0);
    }
    return result;
  }

  FetchResult broken(const net::FetchError& error) {
    FetchResult result;
    switch (error.code) {
      // The two are one to the page: it does not learn which names a home's own name server knows.
      case net::FetchCode::kUnreachable:
      case net::FetchCode::kForbidden:
        result.why = "unreachable";
        break;
      case net::FetchCode::kUntrusted:
        result.why = "untrusted";
        break;
      case net::FetchCode::kTimeout:
        result.why = "timeout";
        break;
      case net::FetchCode::kTooLarge:
        result.why = "too_large";
        result.end = FetchEnd::kGone;
        return result;
      case net::FetchCode::kInvalid:
        result.why = "bad_url";
        result.end = FetchEnd::kGone;
        return result;
      default:
        result.why = "cut_off";
        break;
    }
    if (plan_ && (plan_->kind == Kind::kWhole || plan_->kind == Kind::kRest)) {
      keep_part(result, plan_->facts.source_tag, plan_->length.value_or(0));
    } else if (task_.part) {
      keep_part(result, task_.part->tag, task_.part->whole);
    }
    return result;
  }

  void keep_part(FetchResult& result, const std::string& tag, std::uint64_t length) {
    if (draft_ && draft_->file->size() > 0 && draft_->file->size() < length &&
        cache::is_strong_tag(tag)) {
      const auto digest = plan_ && plan_->digest ? plan_->digest
                          : task_.part           ? task_.part->digest
                                                 : std::nullopt;
      result.part = FetchPart{*std::exchange(draft_, std::nullopt), tag, length, digest};
    }
  }

  bool stop(FetchEnd end, std::string why) {
    trouble_ = FetchResult{end, std::move(why)};
    return false;
  }
  bool stop_for(const store::Error& error) {
    const bool room = error.code == store::ErrorCode::kNoRoom;
    return stop(room ? FetchEnd::kNoRoom : FetchEnd::kTryAgain, room ? "no_room" : "not_stored");
  }
  void give_up() {
    if (draft_) {
      vault_.wait_give_up(*std::exchange(draft_, std::nullopt));
    }
    synced_ = 0;
  }

  Vault& vault_;
  FetchTask task_;
  WallTime now_;
  cache::FetchUrl url_;
  std::optional<FetchPlan> plan_;
  std::optional<Draft> draft_;
  std::uint64_t synced_ = 0;
  Bytes begun_;
  bool is_playlist_ = false;
  cache::PlaylistKind kind_ = cache::PlaylistKind::kNone;
  std::optional<FetchResult> trouble_;
};

}  // namespace

FetchResult fetch_file(net::FetchSession& session, Vault& vault, const FetchRules& rules,
                       FetchTask task, WallTime now, const std::atomic<bool>& cancel) {
  Receiver receiver(vault, std::move(task), now);
  return receiver.run(session, rules, cancel);
}

}  // namespace latchkey::mediacache
