// Who is who among the people of one device, without saying who they are: numbers that count up in
// the order in which they came, and what one of them may read of the audit trail (docs/protocol.md
// section 7).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace latchkey::front {

struct AuditLine {
  WallTime time;
  std::optional<SpkiHash> agent;
  std::string kind;
  std::optional<GrantId> grant;
  std::string detail;
};

// "Person 1", "Person 2" ... Somebody who left keeps the number as long as the trail remembers
// them, so that a newcomer is not taken for them.
class People {
 public:
  // `bound`: in the order in which they were bound. `trail`: newest first.
  People(const std::vector<SpkiHash>& bound, const std::vector<AuditLine>& trail);
  People() = default;
  // Whoever is seen for the first time is the next one.
  std::uint64_t number(const SpkiHash& agent);

 private:
  std::map<SpkiHash, std::uint64_t> numbers_;
};

// A line as one person sees it.
struct SeenLine {
  WallTime time;
  std::string kind;
  bool own = false;
  std::optional<std::uint64_t> person;  // whose it is, if it is somebody's
  std::optional<GrantId> grant;         // own lines only, and so is
  std::string detail;
};
std::vector<SeenLine> as_seen_by(const SpkiHash& viewer, const std::vector<AuditLine>& lines,
                                 const std::function<std::uint64_t(const SpkiHash&)>& number);

}  // namespace latchkey::front
