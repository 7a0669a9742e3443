// What an answer from the internet means for a file that the cache fetches: whether it is taken,
// where it goes on, whether to ask again. All that a server says is read here, once.
//
// The device fetches what the page could have read itself, and nothing else: it names the page's
// origin and goes by the server's permission for it (CORS, https://fetch.spec.whatwg.org). A
// household's address opens doors that a stranger's does not, and no page may use it for that.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cache/fetch_url.h"
#include "cache/records.h"
#include "wire/http_head.h"

namespace latchkey::cache {

inline constexpr std::size_t kMaxRedirects = 5;

// What is asked for, and what is held of it.
struct FetchAsk {
  FetchUrl url;
  std::string origin;        // of the page; empty: the device's own page
  bool conditional = false;  // something is held, and its validators were sent along
  std::uint64_t have = 0;    // bytes of a part that is held; Range and If-Range were sent
  std::optional<std::uint64_t> whole{};  // how long the part's whole is, where that is known
  std::uint64_t most = kMaxObjectBytes;
};

struct FetchPlan {
  enum class Kind {
    kWhole,      // the body is all of it
    kRest,       // ... what comes after the part that is held
    kUnchanged,  // what is held is right
    kRedirect,
    kTryAgain,
    kGone,  // asking again changes nothing
  };
  Kind kind = Kind::kGone;
  std::string why;                           // of the last two: a code
  std::optional<FetchUrl> to;                // of a redirect
  std::optional<std::chrono::seconds> wait;  // what the server asked for
  std::optional<std::uint64_t> length;       // of the whole, where it is said
  std::optional<Digest256> digest;           // of the whole, where it is said
  ObjectFacts facts;                         // of the whole
};

// `now`: for dates in Retry-After.
FetchPlan judge_answer(long status, const wire::HttpFields& fields, const FetchAsk& ask,
                       WallTime now);

// Whether a page of `origin` may read what `url` answers with these fields.
bool may_read(const FetchUrl& url, std::string_view origin, const wire::HttpFields& fields);

// Seconds, or a date; nothing for anything else.
std::optional<std::chrono::seconds> read_retry_after(std::string_view text, WallTime now);

// A validator by which a part may be completed (RFC 9110 section 13.1.5): not a weak one.
bool is_strong_tag(std::string_view tag);

}  // namespace latchkey::cache
