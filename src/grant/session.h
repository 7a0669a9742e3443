// Sessions: what a ticket is exchanged for. In memory only; they end with the process, with their
// grant, after an hour, or at the leaf's notAfter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "grant/grant.h"

namespace latchkey::grant {

// Identifies a session inside the process; never sent anywhere.
using SessionId = std::uint64_t;

struct Session {
  SessionId id = 0;
  GrantKey grant;
  MonoTime ends;
  MonoTime proven;  // when its last ticket was taken
};

class SessionTable {
 public:
  static constexpr std::chrono::milliseconds kMaxLife = std::chrono::hours(1);
  static constexpr std::size_t kMaxPerGrant = 256;  // the oldest goes when one more comes

  explicit SessionTable(Random& random) : random_(random) {}

  struct Opened {
    std::string token;  // the cookie's value: 43 characters base64url
    Session session;
    std::vector<SessionId> displaced;  // sessions that made room
  };
  // `life` is cut to kMaxLife.
  Opened open(const GrantKey& grant, std::chrono::milliseconds life, MonoTime now);
  // The live session of this cookie for this grant. Looked up by the token's hash, so the time it
  // takes says nothing about how much of a guess was right.
  [[nodiscard]] std::optional<Session> find(std::string_view token, const GrantKey& grant,
                                            MonoTime now) const;
  // A fresh ticket with a live cookie extends that session.
  std::optional<Session> extend(std::string_view token, const GrantKey& grant,
                                std::chrono::milliseconds life, MonoTime now);
  // The same session under a new token: what somebody else may know of the old one is worth nothing
  // from now on.
  std::optional<std::string> rename(std::string_view token, const GrantKey& grant, MonoTime now);
  std::optional<SessionId> close(std::string_view token, const GrantKey& grant);
  // All sessions of a grant; their ids, so that open responses and sockets can be ended.
  std::vector<SessionId> close_all(const GrantKey& grant);
  std::vector<SessionId> expire(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> deadline() const;
  [[nodiscard]] std::size_t size() const { return sessions_.size(); }

 private:
  Random& random_;
  SessionId next_ = 1;
  std::map<Digest256, Session> sessions_;
};

}  // namespace latchkey::grant
