// One HTTPS GET, blocking, for worker threads. What it asks says nothing about who asks: no
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
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

struct sockaddr;

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
  std::string ca_file;        // PEM; empty: the system's authorities
  std::string etag;           // of what is held: unchanged is answered by 304
  std::string last_modified;  // the same
  bool public_only = false;   // only public addresses, whatever the name leads to; no proxy
  bool use_proxy = false;     // the environment's https_proxy
  std::chrono::milliseconds connect_time{10'000};
  std::chrono::milliseconds total_time{60'000};
  std::chrono::seconds stall_time{20};           // under 128 bytes a second for so long
  const std::atomic<bool>* cancel = nullptr;     // looked at at least once a second
  std::function<bool(ByteSpan)> sink = nullptr;  // takes the body; else it comes back in memory
};
struct Fetched {
  long status = 0;            // whatever the server said; only 200 has a body here
  std::string etag;           // at most 256 bytes, else empty
  std::string last_modified;  // the same
  std::uint64_t bytes = 0;    // of the body
  Bytes body;                 // where there is no sink
};

latchkey::Result<Fetched, FetchError> fetch(const Fetch& request);

// Whether this is the address of a host on the public internet: no private, link-local, loopback,
// shared, documentation, multicast or translated one.
bool is_public_address(const sockaddr* address);

}  // namespace latchkey::net
