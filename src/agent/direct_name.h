// Which address a device may get that a person opens directly (docs/protocol.md section 4): what to
// propose, and what speaks against it. Pure; whether somebody answers to a name is for the caller
// to find out.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/host_name.h"
#include "grant/grant.h"

namespace latchkey::agent {

inline constexpr std::size_t kMaxAskedName = 200;  // bytes of what a person types

// Why a device is not called as it was asked.
enum class NameTrouble {
  kShape,         // cannot be written so in an address
  kThisComputer,  // this computer is called so
  kYours,         // another device of this user is, or was until a moment ago
  kTaken,         // somebody in the network answers to it
};
std::string_view name_of(NameTrouble trouble);

// What `asked` (a typed word, or a device's name) comes to; the type of device where nothing can be
// made of it. HostName::direct takes it.
std::string proposed_slug(std::string_view asked, std::string_view type);

// The names to try, best first: the slug itself, then with `tag` (grant::direct_tag) behind it.
std::vector<HostName> name_candidates(std::string_view slug, std::string_view tag);

// Whose name it is to be.
struct NameOwner {
  ProfileId profile;
  DeviceId device;
};
// What speaks against `host` without asking the network. `own_label`: what this computer is called.
std::optional<NameTrouble> name_trouble(const HostName& host, const NameOwner& owner,
                                        std::string_view own_label,
                                        std::span<const grant::AgentGrant> grants, WallTime now);
// The owner had this very name and gave it up: should the device still answer to it, then for that.
bool had_name(const HostName& host, const NameOwner& owner,
              std::span<const grant::AgentGrant> grants);

}  // namespace latchkey::agent
