// Moving to another computer: backups written and read, and the browser profiles that take over
// what another profile was allowed (docs/backup.md).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent/error.h"
#include "agent/request.h"
#include "context.h"
#include "net/task.h"
#include "store/agent_store.h"

namespace latchkey::agentd {

class Moving {
 public:
  virtual ~Moving() = default;
  virtual store::Result<store::Backup> snapshot(const std::vector<std::string>& stay_behind) = 0;
  virtual store::Result<bool> is_unused() = 0;
  // Afterwards what is in memory is not what is stored: the agent has to start anew.
  virtual store::Result<void> restore(const store::Backup& backup,
                                      const std::vector<std::string>& stay_here,
                                      const store::AgentStore::Merge& merge) = 0;
  [[nodiscard]] virtual bool has_moved() const = 0;
  virtual store::Result<store::Adopted> adopt(const ProfileId& from, const ProfileId& to) = 0;
};

// {devices, grants}. The file must not be there yet.
net::Task<agent::Result<nlohmann::json>> export_backup(Context* context,
                                                       agent::BackupExport backup);
// {devices, grants, kept}. With `replace`, what is there is kept beside the file that is read, as a
// backup under the same passphrase; else nothing may be there. When it succeeds the agent must end.
net::Task<agent::Result<nlohmann::json>> import_backup(Context* context,
                                                       agent::BackupImport backup);
// Ends the agent, as a signal does, if what it has in memory was replaced.
void end_if_moved(Context* context);

// {profiles: [{profile, grants, seen}]}; seen: the last day this computer's browser said so, or
// null.
nlohmann::json list_profiles(Context* context);
void remember_profile(Context* context, const ProfileId& profile);
// {adopted, kept}
agent::Result<nlohmann::json> adopt_profile(Context* context, const agent::ProfilesAdopt& adopt);

}  // namespace latchkey::agentd
