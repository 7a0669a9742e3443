// Which answers belong to which session, and which connections to which grant, so that they end
// with it.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "grant/session.h"
#include "net/stream.h"

namespace latchkey::device {

class OpenStreams {
 public:
  using Table = std::multimap<std::uint64_t, net::Closable*>;
  // It is listed while this lives. It and the table outlive this.
  class Listing {
   public:
    Listing(Table& table, std::uint64_t key, net::Closable& what)
        : table_(table), at_(table.emplace(key, &what)) {}
    ~Listing() { table_.erase(at_); }
    Listing(const Listing&) = delete;
    Listing& operator=(const Listing&) = delete;

   private:
    Table& table_;
    Table::iterator at_;
  };

  Listing list_session(grant::SessionId session, net::Closable& answer) {
    return {sessions_, session, answer};
  }
  Listing list_grant(std::uint64_t tag, net::Closable& connection) {
    return {grants_, tag, connection};
  }

  // Closes them at once; what was not delivered is thrown away.
  void cut_sessions(const std::vector<grant::SessionId>& sessions) {
    for (const grant::SessionId session : sessions) {
      cut(sessions_, session);
    }
  }
  void cut_grant(std::uint64_t tag) { cut(grants_, tag); }

  // While this lives one connection is not cut: the one that is to say that all others were.
  class Spared {
   public:
    Spared(const net::Closable*& place, const net::Closable& stream) : place_(place) {
      place_ = &stream;
    }
    ~Spared() { place_ = nullptr; }
    Spared(const Spared&) = delete;
    Spared& operator=(const Spared&) = delete;

   private:
    const net::Closable*& place_;
  };
  Spared spare(const net::Closable& stream) { return {spared_, stream}; }

 private:
  void cut(Table& table, std::uint64_t key) {
    const auto [first, last] = table.equal_range(key);
    for (auto at = first; at != last; ++at) {
      if (at->second != spared_) {
        at->second->close();
      }
    }
  }
  Table sessions_;
  Table grants_;
  const net::Closable* spared_ = nullptr;
};

}  // namespace latchkey::device
