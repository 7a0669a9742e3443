#include "grant/session.h"

#include <algorithm>

#include "base/encoding.h"
#include "crypto/hash.h"

namespace latchkey::grant {
namespace {

constexpr std::size_t kTokenSize = 32;
constexpr std::size_t kTokenCharacters = 43;

std::optional<Digest256> key_of(std::string_view token) {
  if (token.size() != kTokenCharacters) {
    return std::nullopt;
  }
  return crypto::sha256(as_bytes(token));
}

}  // namespace

SessionTable::Opened SessionTable::open(const GrantKey& grant, std::chrono::milliseconds life,
                                        MonoTime now) {
  Opened opened{base64url_encode(random_.bytes<kTokenSize>()),
                {next_++, grant, now + std::min(life, kMaxLife), now},
                {}};
  std::size_t count = 0;
  auto oldest = sessions_.end();
  for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
    if (it->second.grant == grant) {
      ++count;
      if (oldest == sessions_.end() || it->second.id < oldest->second.id) {
        oldest = it;
      }
    }
  }
  if (count >= kMaxPerGrant) {
    opened.displaced.push_back(oldest->second.id);
    sessions_.erase(oldest);
  }
  sessions_.emplace(crypto::sha256(as_bytes(opened.token)), opened.session);
  return opened;
}

std::optional<Session> SessionTable::find(std::string_view token, const GrantKey& grant,
                                          MonoTime now) const {
  const auto key = key_of(token);
  const auto it = key ? sessions_.find(*key) : sessions_.end();
  if (it == sessions_.end() || it->second.grant != grant || now >= it->second.ends) {
    return std::nullopt;
  }
  return it->second;
}

std::optional<Session> SessionTable::extend(std::string_view token, const GrantKey& grant,
                                            std::chrono::milliseconds life, MonoTime now) {
  const auto session = find(token, grant, now);
  if (!session) {
    return std::nullopt;
  }
  auto& stored = sessions_.at(*key_of(token));
  stored.ends = now + std::min(life, kMaxLife);
  stored.proven = now;
  return stored;
}

std::optional<std::string> SessionTable::rename(std::string_view token, const GrantKey& grant,
                                                MonoTime now) {
  const auto session = find(token, grant, now);
  if (!session) {
    return std::nullopt;
  }
  std::string fresh = base64url_encode(random_.bytes<kTokenSize>());
  sessions_.erase(*key_of(token));
  sessions_.emplace(*key_of(fresh), *session);
  return fresh;
}

std::optional<SessionId> SessionTable::close(std::string_view token, const GrantKey& grant) {
  const auto key = key_of(token);
  const auto it = key ? sessions_.find(*key) : sessions_.end();
  if (it == sessions_.end() || it->second.grant != grant) {
    return std::nullopt;
  }
  const SessionId id = it->second.id;
  sessions_.erase(it);
  return id;
}

std::vector<SessionId> SessionTable::close_all(const GrantKey& grant) {
  std::vector<SessionId> ended;
  std::erase_if(sessions_, [&](const auto& entry) {
    if (entry.second.grant != grant) {
      return false;
    }
    ended.push_back(entry.second.id);
    return true;
  });
  return ended;
}

std::vector<SessionId> SessionTable::expire(MonoTime now) {
  std::vector<SessionId> ended;
  std::erase_if(sessions_, [&](const auto& entry) {
    if (now < entry.second.ends) {
      return false;
    }
    ended.push_back(entry.second.id);
    return true;
  });
  return ended;
}

std::optional<MonoTime> SessionTable::deadline() const {
  std::optional<MonoTime> first;
  for (const auto& [key, session] : sessions_) {
    first = first ? std::min(*first, session.ends) : session.ends;
  }
  return first;
}

}  // namespace latchkey::grant
