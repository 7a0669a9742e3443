// The agent's store on its way to another computer: what is taken along, and how it arrives.
#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "store/agent_state.h"

namespace latchkey::store {

namespace tables = agent_tables;

namespace {

// In this order rows may refer to each other. What is half done stays behind: a pairing that was
// not finished, with its binding and its claim on a host. So do settings that the caller names.
struct Part {
  const TableShape* table;
  const char* which;
};
const std::array<Part, 7> kParts{{
    {&tables::kUser, "TRUE"},
    {&tables::kBinding, "bound_at != 0"},
    {&tables::kGrant, "state != 'pending'"},
    {&tables::kUse, "id IN (SELECT id FROM agent_grant WHERE state != 'pending')"},
    {&tables::kHost, "until != 0"},
    {&tables::kDeletion, "TRUE"},
    {&tables::kSetting, "TRUE"},
}};

struct Settings {
  std::optional<std::string> here;
  std::optional<std::string> there;
};

[[noreturn]] void refuse(const std::string& what) {
  throw_failure(ErrorCode::kCorrupt, "the backup's " + what);
}

BackupRow backup_of(Vault& vault, const TableShape& table, const Row& row) {
  BackupRow backup{table.name, {}};
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    const Value& value = row.at(i);
    BackupValue out;
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      out = *number;
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      out = *text;
    } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
      if (column.kind == Kind::kSealed) {
        out = vault.unseal(vault.purpose(table, column, row), *bytes);
      } else {
        out = *bytes;
      }
    }
    backup.columns.emplace_back(column.name, std::move(out));
  }
  return backup;
}

Value value_of(Vault& vault, const TableShape& table, const Column& column, const Row& before,
               const BackupValue& value) {
  if (std::holds_alternative<std::monostate>(value)) {
    if (!column.nullable) {
      refuse(std::string(column.name) + " is missing");
    }
    return {};
  }
  Value out;
  bool right = false;
  std::size_t size = 0;
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    right = column.kind == Kind::kInteger;
    out = *number;
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    right = column.kind == Kind::kText;
    size = text->size();
    out = *text;
  } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
    right = column.kind == Kind::kBlob;
    size = bytes->size();
    out = *bytes;
  } else if (const auto* secret = std::get_if<SecretBytes>(&value);
             secret != nullptr && column.kind == Kind::kSealed) {
    right = true;
    Bytes sealed = vault.seal(vault.purpose(table, column, before), secret->span());
    size = sealed.size();
    out = std::move(sealed);
  }
  if (!right || size > column.max_bytes) {
    refuse(std::string(column.name) + " cannot be stored");
  }
  return out;
}

// Columns that an older version did not have are null, as a migration leaves them.
Row row_from(Vault& vault, const TableShape& table, const BackupRow& backup) {
  static const BackupValue kNothing;
  Row row;
  std::size_t used = 0;
  for (const Column& column : table.columns) {
    const auto found = std::find_if(backup.columns.begin(), backup.columns.end(),
                                    [&](const auto& one) { return one.first == column.name; });
    used += found != backup.columns.end() ? 1U : 0U;
    row.push_back(value_of(vault, table, column, row,
                           found != backup.columns.end() ? found->second : kNothing));
  }
  if (used != backup.columns.size()) {
    refuse(std::string(table.name) + " has columns that nobody knows");
  }
  return row;
}

// Every value must be one that this program could have written.
void check_values(AgentStore::State& state) {
  if (state.vault.number("SELECT count(*) FROM user", {}) != 1) {
    refuse("user is missing");
  }
  for (const Row& row : state.vault.select(tables::kUser, "TRUE", {})) {
    if (tables::user_from(state.vault, row).secret.size() != 32) {
      refuse("user's secret has another size");
    }
  }
  for (const Row& row : state.vault.select(tables::kBinding, "TRUE", {})) {
    (void)tables::binding_from(state.vault, row);
  }
  for (const Row& row : state.vault.select(tables::kHost, "TRUE", {})) {
    (void)tables::claim_from(state.vault, row);
  }
  for (const Row& row : state.vault.select(tables::kDeletion, "TRUE", {})) {
    (void)tables::deletion_from(state.vault, row);
  }
  for (const grant::AgentGrant& grant : state.select_grants("TRUE", {})) {
    if (grant.state != grant::State::kRevoked && !state.find_binding(grant.device)) {
      refuse("grants name a device that is not in it");
    }
  }
}

}  // namespace

Result<Backup> AgentStore::snapshot(WallTime now, const std::vector<std::string>& stay_behind) {
  if (const auto flushed = flush(); !flushed) {
    return fail(flushed.error());
  }
  return state_->vault.read([&] {
    Backup backup{tables::schema_version(), now, {}};
    for (const Part& part : kParts) {
      for (const Row& row : state_->vault.select(*part.table, part.which, {})) {
        if (part.table == &tables::kSetting &&
            std::find(stay_behind.begin(), stay_behind.end(), std::get<std::string>(row.at(0))) !=
                stay_behind.end()) {
          continue;
        }
        backup.rows.push_back(backup_of(state_->vault, *part.table, row));
      }
    }
    return backup;
  });
}

Result<bool> AgentStore::is_unused() {
  return state_->vault.read([&] {
    return state_->vault.number(
               "SELECT (SELECT count(*) FROM binding) + (SELECT count(*) FROM "
               "agent_grant) + (SELECT count(*) FROM deletion)",
               {}) == 0;
  });
}

Result<void> AgentStore::restore(const Backup& backup, const std::vector<std::string>& stay_here,
                                 const Merge& merge) {
  if (backup.schema > tables::schema_version()) {
    return fail(Error{ErrorCode::kTooNew, "the backup was made by a newer version"});
  }
  // Of grants that will not be here any more.
  auto touched = std::exchange(state_->touched, {});
  auto done = state_->change([&] {
    std::map<std::string, Settings> settings;
    for (const Row& row : state_->vault.select(tables::kSetting, "TRUE", {})) {
      settings[std::get<std::string>(row.at(0))].here = std::get<std::string>(row.at(1));
    }
    state_->vault.erase_everything();
    for (const BackupRow& row : backup.rows) {
      const auto part = std::find_if(kParts.begin(), kParts.end(),
                                     [&](const Part& one) { return row.table == one.table->name; });
      if (part == kParts.end()) {
        refuse("tables are not ours");
      }
      Row here = row_from(state_->vault, *part->table, row);
      if (part->table != &tables::kSetting) {
        state_->vault.insert(*part->table, std::move(here));
        continue;
      }
      auto& there = settings[std::get<std::string>(here.at(0))].there;
      if (there) {
        refuse("settings are there twice");
      }
      there = std::get<std::string>(here.at(1));
    }
    for (const auto& [name, setting] : settings) {
      auto value = setting.there;
      if (std::ranges::find(stay_here, name) != stay_here.end()) {
        value = setting.here;
      } else if (merge) {
        value = merge(name, setting.here, setting.there);
      }
      if (value) {
        state_->vault.insert(
            tables::kSetting,
            RowWriter(state_->vault, tables::kSetting).text(name).text(*value).row());
      }
    }
    check_values(*state_);
  });
  if (!done) {
    state_->touched = std::move(touched);
  }
  return done;
}

Result<Adopted> AgentStore::adopt(const ProfileId& from, const ProfileId& to) {
  Adopted done;
  auto changed = state_->change([&] {
    done = {};
    for (grant::AgentGrant& grant :
         state_->select_grants("profile = ?1 AND state != 'pending'", {cell(from.span())})) {
      const bool there =
          grant.state != grant::State::kRevoked &&
          std::ranges::any_of(
              state_->select_grants("profile = ?1 AND device = ?2 AND state != 'revoked'",
                                    {cell(to.span()), cell(grant.device.span())}),
              [&](const grant::AgentGrant& other) { return other.origin == grant.origin; });
      if (there) {
        ++done.kept;
        continue;
      }
      grant.profile = to;
      state_->vault.update(tables::kGrant, tables::row_of(state_->vault, grant));
      done.grants.push_back(grant.id);
    }
  });
  if (!changed) {
    return fail(std::move(changed).error());
  }
  return done;
}

}  // namespace latchkey::store
