// The pure half of browsing: what was announced on which link goes in, what a person may be offered
// comes out. It holds at most kMaxServices names however many are announced, and it tells about
// each of them at most once per take_events(), so that a flood costs a bounded amount of memory
// and a bounded number of events per tick.
//
// A name that was announced becomes a service when its TXT and at least one address are acceptable.
// When the table is full a new name takes the place of the oldest name that never became one; when
// all are services the new name is dropped and overflowed() says so until room was made.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/service.h"

namespace latchkey::discovery {

// A link: the interface, and the address family of the question.
struct Link {
  std::uint32_t interface = 0;
  IpAddress::Family family = IpAddress::Family::kV4;
  friend auto operator<=>(const Link&, const Link&) = default;
};

// What a resolver said about a name. Nothing in it has been judged.
struct Resolved {
  std::string host;
  std::optional<IpAddress> address;
  std::uint16_t port = 0;
  std::vector<std::string> text;
};

// The judgement of one answer on its own: a TXT record that is ours, a port, a host under .local, a
// candidate address, and the wanted type when one was asked for (empty: all).
struct Candidate {
  std::string type;
  bool window_open = false;
  Rid rid;
  Endpoint endpoint;
  friend bool operator==(const Candidate&, const Candidate&) = default;
};
std::optional<Candidate> judge(const Resolved& resolved, const Link& link,
                               std::string_view wanted_type, Loopback loopback);

// IPv4 first, then unique local, then link-local: the order in which they are likely to answer.
bool better_endpoint(const Endpoint& a, const Endpoint& b);

class ServiceTable {
 public:
  ServiceTable(std::string wanted_type, Loopback loopback)
      : wanted_type_(std::move(wanted_type)), loopback_(loopback) {}

  enum class Seen : std::uint8_t { kKnown, kNew, kDropped };
  struct SeenResult {
    Seen seen = Seen::kDropped;
    // The name that lost its place; the caller stops resolving it.
    std::optional<std::string> evicted;
  };
  // `name` as announced, at most kMaxNameBytes (else dropped).
  SeenResult announced(const std::string& name, std::uint32_t interface);
  void withdrawn(const std::string& name, std::uint32_t interface);
  // An answer that is not acceptable takes away what the link said before. Names that were not
  // announced are ignored.
  void resolved(const std::string& name, const Link& link, const Resolved& resolved);
  void unresolved(const std::string& name, const Link& link);
  void clear();

  // What changed since the last call, as Found, Changed and Lost.
  std::vector<SourceEvent> take_events();

  [[nodiscard]] bool overflowed() const { return overflowed_; }
  // Room was made: look again for names that were dropped.
  [[nodiscard]] bool has_room() const { return rows_.size() < kMaxServices; }
  void reset_overflow() { overflowed_ = false; }
  [[nodiscard]] std::size_t size() const { return rows_.size(); }

 private:
  struct Row {
    std::uint64_t order = 0;
    std::vector<std::uint32_t> interfaces;
    std::map<Link, Candidate> candidates;
    std::optional<FoundService> told;
    bool dirty = false;
  };
  [[nodiscard]] static std::optional<FoundService> service(const std::string& name, const Row& row);
  std::map<std::string, Row>::iterator evictable();
  void forget(std::map<std::string, Row>::iterator row);

  std::string wanted_type_;
  Loopback loopback_;
  std::map<std::string, Row> rows_;
  std::vector<std::string> lost_;
  std::uint64_t next_order_ = 0;
  bool overflowed_ = false;
};

}  // namespace latchkey::discovery
