// What the owner of the device says about single sign-on, from its file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "net/address.h"
#include "oidc/config.h"
#include "store/device_store.h"

namespace latchkey::device {

// An error is a sentence for the person who wrote the file.
Result<oidc::Config, std::string> read_sso(const std::filesystem::path& file);

// Of a configuration that read_sso() gave.
std::vector<net::Network> offered_from(const oidc::Config& config);

// What the device registered itself as, to and from its records.
std::vector<oidc::RegisteredClient> registered_clients(store::DeviceStore& store);
store::Result<void> keep(store::DeviceStore& store, const oidc::RegisteredClient& registered);

// The rules again, for another life of the device: secrets are not copied by accident.
oidc::PartyRules copy_of(const oidc::PartyRules& rules);

}  // namespace latchkey::device
