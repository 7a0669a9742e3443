#include "agent/direct_name.h"

#include <algorithm>
#include <array>

#include "agent/desk.h"
#include "base/result.h"
#include "base/slug.h"

namespace latchkey::agent {
namespace {

using grant::AgentGrant;

constexpr std::size_t kMaxSlug = 40;
// A tag, its '-', and a number before it.
constexpr std::size_t kMaxTagged = 31;
constexpr std::array kNumbers = {"", "-2", "-3"};

bool is_owners(const AgentGrant& grant, const NameOwner& owner) {
  return !grant.origin && grant.device == owner.device && grant.profile == owner.profile;
}

}  // namespace

std::string_view name_of(NameTrouble trouble) {
  switch (trouble) {
    case NameTrouble::kShape:
      return "shape";
    case NameTrouble::kThisComputer:
      return "this_computer";
    case NameTrouble::kYours:
      return "yours";
    case NameTrouble::kTaken:
      return "taken";
  }
  check_failed("a known trouble", __FILE__, __LINE__);
}

std::string proposed_slug(std::string_view asked, std::string_view type) {
  for (const std::string_view source : {asked, type, std::string_view("device")}) {
    std::string slug = slug_from(source, kMaxSlug).value_or("");
    // "kitchen-refrigerator" looks like a host that was made for a web service: "kitchenrefri…".
    while (!slug.empty() && !HostName::direct(slug)) {
      const auto hyphen = slug.rfind('-');
      if (hyphen == std::string::npos) {
        break;
      }
      slug.erase(hyphen, 1);
    }
    if (HostName::direct(slug)) {
      return slug;
    }
  }
  check_failed("\"device\" is a usable name", __FILE__, __LINE__);
}

std::vector<HostName> name_candidates(std::string_view slug, std::string_view tag) {
  std::vector<HostName> names;
  if (auto plain = HostName::direct(slug)) {
    names.push_back(*std::move(plain));
  }
  std::string stem(slug.substr(0, kMaxTagged));
  while (!stem.empty() && stem.back() == '-') {
    stem.pop_back();
  }
  for (const char* number : kNumbers) {
    if (auto tagged = HostName::direct(stem + number + "-" + std::string(tag))) {
      names.push_back(*std::move(tagged));
    }
  }
  return names;
}

std::optional<NameTrouble> name_trouble(const HostName& host, const NameOwner& owner,
                                        std::string_view own_label,
                                        std::span<const AgentGrant> grants, WallTime now) {
  if (host.label() == own_label) {
    return NameTrouble::kThisComputer;
  }
  const bool held = std::any_of(grants.begin(), grants.end(), [&](const AgentGrant& grant) {
    return grant.host == host && !is_owners(grant, owner) &&
           (!has_ended(grant) || grant.not_after > now);
  });
  return held ? std::optional(NameTrouble::kYours) : std::nullopt;
}

bool had_name(const HostName& host, const NameOwner& owner, std::span<const AgentGrant> grants) {
  return std::any_of(grants.begin(), grants.end(), [&](const AgentGrant& grant) {
    return grant.host == host && is_owners(grant, owner) && has_ended(grant);
  });
}

}  // namespace latchkey::agent
