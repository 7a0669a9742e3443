#include "front/people.h"

#include <set>

namespace latchkey::front {

People::People(const std::vector<SpkiHash>& bound, const std::vector<AuditLine>& trail) {
  std::set<SpkiHash> came;  // within what the trail still tells
  std::set<SpkiHash> seen;
  for (auto line = trail.rbegin(); line != trail.rend(); ++line) {
    if (line->agent && seen.insert(*line->agent).second && line->kind == "paired") {
      came.insert(*line->agent);
    }
  }
  // Of the others the beginning is forgotten: they were there before.
  for (const SpkiHash& agent : bound) {
    if (!came.contains(agent)) {
      number(agent);
    }
  }
  for (auto line = trail.rbegin(); line != trail.rend(); ++line) {
    if (line->agent) {
      number(*line->agent);
    }
  }
}

std::uint64_t People::number(const SpkiHash& agent) {
  return numbers_.try_emplace(agent, numbers_.size() + 1).first->second;
}

std::vector<SeenLine> as_seen_by(const SpkiHash& viewer, const std::vector<AuditLine>& lines,
                                 const std::function<std::uint64_t(const SpkiHash&)>& number) {
  std::vector<SeenLine> out;
  out.reserve(lines.size());
  for (const AuditLine& line : lines) {
    SeenLine seen{line.time, line.kind, line.agent == viewer, std::nullopt, std::nullopt, {}};
    if (line.agent) {
      seen.person = number(*line.agent);
    }
    if (seen.own) {
      seen.grant = line.grant;
      seen.detail = line.detail;
    }
    out.push_back(std::move(seen));
  }
  return out;
}

}  // namespace latchkey::front
