// What a person asks of the agent to keep it in order: looking for what is in the way, browsers'
// profiles, moving to another computer, and how the keys are locked (docs/protocol.md section 10).
// Nothing where the parameters are not as they should be.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "agent/request.h"

namespace latchkey::agent {

std::optional<Doctor> read_doctor(const nlohmann::json& params);
std::optional<SetupFirefox> read_setup_firefox(const nlohmann::json& params);
std::optional<BackupExport> read_backup_export(const nlohmann::json& params);
std::optional<BackupImport> read_backup_import(const nlohmann::json& params);
std::optional<ProfilesAdopt> read_profiles_adopt(const nlohmann::json& params);
std::optional<StoreUnlock> read_store_unlock(const nlohmann::json& params);
std::optional<StoreSeal> read_store_seal(const nlohmann::json& params);

}  // namespace latchkey::agent
