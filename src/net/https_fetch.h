// One HTTPS GET or POST, blocking, for worker threads. What it asks says nothing about who asks: no
// cookies, no referer, no language, one User-Agent for everybody. Redirects are not followed and
// compressed answers are not asked for, so what was named is what arrives.
//
// Bytes count against the limit as they come: a server that promises less than it sends, or
// nothing, is cut off at the limit.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "net/address.h"
#include "wire/http_head.h"

namespace latchkey::net {

enum class FetchCode {
  kInvalid,      // the URL is none that is fetched
  kUnreachable,  // no name, no way, nobody there
  kForbidden,    // it leads to an address that is not public
  kUntrusted,    // TLS: not the host, or nobody vouches for it
  kTimeout,
  kTooLarge,
  kBroken,     // the connection ended early, or it is not HTTP
  kCancelled,  // by the caller, or its sink took no more
};
struct FetchError {
  FetchCode code = FetchCode::kBroken;
  std::string detail;  // for logs; names the host, never a path
};

struct Fetch {
  std::string url;  // https, no user, no fragment
  std::uint64_t limit = 0;
  std::string ca_file;  // PEM; empty: the system's authorities
  // POST this instead; `post_type` is its Content-Type. Both outlive the call.
  std::optional<std::string_view> post = std::nullopt;
  std::string_view post_type = "application/x-www-form-urlencoded";
  std::string_view authorization = {};  // the field's value; empty: none
  std::string etag;                     // of what is held: unchanged is answered by 304
  std::string last_modified;            // the same
  std::string origin;                   // for which web origin; empty: not said
  std::uint64_t from = 0;               // only the bytes from here on (Range)
  std::string if_range;                 // ... if it is still this; else the whole
  bool public_only = false;   // only public addresses, whatever the name leads to; no proxy
  bool not_at_home = false;   // with it: none of own_networks() either
  std::vector<Network> also;  // with it: these all the same
  bool use_proxy = false;     // the environment's https_proxy
  std::chrono::milliseconds connect_time{10'000};
  std::chrono::milliseconds total_time{60'000};
  std::chrono::seconds stall_time{20};        // under `least_speed` for so long
  long least_speed = 128;                     // bytes a second
  const std::atomic<bool>* cancel = nullptr;  // looked at at least once a second
  // Sees status and fields before the body comes; false: it is not wanted. Where there is one, the
  // body is taken whatever the status.
  std::function<bool(long status, const wire::HttpFields&)> on_head = nullptr;
  std::function<bool(ByteSpan)> sink = nullptr;  // takes the body; else it comes back in memory
};
struct Fetched {
  long status = 0;            // whatever the server said; only 200 has a body here, see on_head
  std::string etag;           // at most 256 bytes, else empty
  std::string last_modified;  // the same
  std::uint64_t bytes = 0;    // of the body
  Bytes body;                 // where there is no sink
};

latchkey::Result<Fetched, FetchError> fetch(const Fetch& request);

// Many of them one after the other, in one thread at a time: keeps connections open. Where an
// address is judged, that is done when a connection is made, so all of one session go by the same
// rules for addresses.
class FetchSession {
 public:
  FetchSession();
  ~FetchSession();
  FetchSession(const FetchSession&) = delete;
  FetchSession& operator=(const FetchSession&) = delete;
  latchkey::Result<Fetched, FetchError> fetch(const Fetch& request);

 private:
  void* handle_;
};

}  // namespace latchkey::net
