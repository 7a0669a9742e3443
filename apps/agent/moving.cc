#include "moving.h"

#include <spdlog/spdlog.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "metadata_folder.h"
#include "platform/paths.h"
#include "platform/system_random.h"

namespace latchkey::agentd {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using wire::ErrorCode;
using Reply = agent::Result<json>;

constexpr std::string_view kProfiles = "profiles_seen";
constexpr std::size_t kMaxProfiles = 32;
constexpr std::int64_t kDay = 86400;
// The passphrase takes a second, a large file some more, a busy computer a multiple.
constexpr std::chrono::milliseconds kPatience = std::chrono::minutes(5);

// Settings that speak of this computer alone. What browsers there are is as true after an import as
// before; what they trust is not, because the root is another.
const std::vector<std::string> kBrowsersHere{"browsers", "databases", "firefox", "firefox_touched",
                                             "profiles_seen"};
const std::vector<std::string> kTrustHere{"trust_seen", "root_installed_at"};

std::vector<std::string> of_this_computer() {
  std::vector<std::string> names = kBrowsersHere;
  names.insert(names.end(), kTrustHere.begin(), kTrustHere.end());
  return names;
}

// Everything else is the backup's; but what a provider has withdrawn, as far as this computer or
// the other one knew it, stays withdrawn.
std::optional<std::string> merge(const std::string& name, const std::optional<std::string>& here,
                                 const std::optional<std::string>& there) {
  return here && is_memory_name(name) ? merged_memory(*here, there.value_or("")) : there;
}

tl::unexpected<agent::Error> refuse(ErrorCode code, std::string message) {
  return fail(agent::Error{code, std::move(message)});
}

struct Counts {
  std::size_t devices = 0;
  std::size_t grants = 0;
};
Counts counts_of(const store::Backup& backup) {
  Counts counts;
  for (const store::BackupRow& row : backup.rows) {
    counts.devices += row.table == "binding" ? 1U : 0U;
    for (const auto& [name, value] : row.columns) {
      const auto* text = std::get_if<std::string>(&value);
      counts.grants +=
          row.table == "agent_grant" && name == "state" && text != nullptr && *text != "revoked"
              ? 1U
              : 0U;
    }
  }
  return counts;
}

// Sealed and written, durably; why not.
std::optional<std::string> write_backup(const store::Backup& backup, ByteSpan passphrase,
                                        const fs::path& file) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(file, error))) {
    return "There is something at " + file.string() + " already.";
  }
  platform::SystemRandom random;
  const auto sealed = store::seal_backup(backup, passphrase, random);
  if (!sealed) {
    return "The backup could not be made: " + sealed.error().detail + ".";
  }
  if (const auto written = platform::write_file(file, *sealed, 0600); !written) {
    return written.error().message + ".";
  }
  return std::nullopt;
}

agent::Error error_of(const store::BackupError& error) {
  using Code = store::BackupError::Code;
  switch (error.code) {
    case Code::kForeign:
      return {ErrorCode::kMalformed, "This file is no backup of Latchkey."};
    case Code::kTooNew:
      return {ErrorCode::kUnsupported,
              "This backup was made by a newer Latchkey. Install that one here first."};
    case Code::kWrongPassphrase:
      return {ErrorCode::kWrongCode, "The passphrase is not the one of this backup."};
    case Code::kDamaged:
      return {ErrorCode::kMalformed, "This backup is damaged. Nothing was changed."};
    case Code::kInternal:
      break;
  }
  return {ErrorCode::kInternal, "There is not enough memory to read the backup."};
}

json seen_profiles(const Context& context) {
  json seen = json::parse(context.settings.get(kProfiles).value_or("{}"), nullptr, false);
  return seen.is_object() ? seen : json::object();
}

}  // namespace

net::Task<Reply> export_backup(Context* context, agent::BackupExport wish) {
  if (context->moving == nullptr) {
    co_return refuse(ErrorCode::kInternal, "Nothing is stored here.");
  }
  auto snapshot = context->moving->snapshot(of_this_computer());
  if (!snapshot) {
    co_return refuse(ErrorCode::kInternal, "What is stored could not be read.");
  }
  const Counts counts = counts_of(*snapshot);
  const auto shared = std::make_shared<store::Backup>(*std::move(snapshot));
  const auto passphrase = std::make_shared<SecretBytes>(std::move(wish.passphrase));
  auto work = [shared, passphrase, file = fs::path(wish.file)] {
    return write_backup(*shared, passphrase->span(), file);
  };
  const auto done =
      co_await context->worker.run(context->executor, net::after(kPatience), std::move(work));
  if (!done || *done) {
    co_return refuse(ErrorCode::kInternal,
                     done ? **done : std::string("The backup took too long."));
  }
  spdlog::info("backup written: {} devices, {} grants", counts.devices, counts.grants);
  co_return json{{"devices", counts.devices}, {"grants", counts.grants}};
}

net::Task<Reply> import_backup(Context* context, agent::BackupImport wish) {
  if (context->moving == nullptr || context->moving->has_moved()) {
    co_return refuse(ErrorCode::kInternal, "Nothing can be stored here now.");
  }
  const auto unused = context->moving->is_unused();
  if (!unused || (!*unused && !wish.replace)) {
    co_return refuse(ErrorCode::kNameConflict,
                     "There are devices or permissions on this computer already.");
  }
  const fs::path file = wish.file;
  const auto passphrase = std::make_shared<SecretBytes>(std::move(wish.passphrase));
  auto read = [passphrase,
               file]() -> latchkey::Result<std::shared_ptr<store::Backup>, agent::Error> {
    const auto bytes = platform::read_file(file, store::kMaxBackupBytes);
    if (!bytes) {
      return fail(agent::Error{ErrorCode::kMalformed, bytes.error().message + "."});
    }
    auto opened = store::open_backup(*bytes, passphrase->span());
    if (!opened) {
      return fail(error_of(opened.error()));
    }
    return std::make_shared<store::Backup>(*std::move(opened));
  };
  const auto opened =
      co_await context->worker.run(context->executor, net::after(kPatience), std::move(read));
  if (!opened) {
    co_return refuse(ErrorCode::kInternal, "Reading the backup took too long.");
  }
  if (!*opened) {
    co_return fail(opened->error());
  }
  json kept;
  const auto still_unused = context->moving->is_unused();
  if (!still_unused || (!*still_unused && !wish.replace)) {
    co_return refuse(ErrorCode::kNameConflict,
                     "There are devices or permissions on this computer already.");
  }
  if (!*still_unused) {
    auto old = context->moving->snapshot({});
    if (!old) {
      co_return refuse(ErrorCode::kInternal, "What is stored could not be kept aside.");
    }
    fs::path aside = file;
    aside += ".before-" + std::to_string(context->desk.now().unix_seconds);
    const auto shared = std::make_shared<store::Backup>(*std::move(old));
    auto write = [shared, passphrase, aside] {
      return write_backup(*shared, passphrase->span(), aside);
    };
    const auto written =
        co_await context->worker.run(context->executor, net::after(kPatience), std::move(write));
    if (!written || *written) {
      co_return refuse(ErrorCode::kInternal,
                       written ? **written : std::string("Keeping the old took too long."));
    }
    kept = aside.string();
  }
  const Counts counts = counts_of(***opened);
  if (const auto restored = context->moving->restore(***opened, kBrowsersHere, merge); !restored) {
    spdlog::error("store: {}", restored.error().detail);
    co_return restored.error().code == store::ErrorCode::kTooNew
        ? refuse(ErrorCode::kUnsupported,
                 "This backup was made by a newer Latchkey. Install that one here first.")
        : refuse(ErrorCode::kMalformed, "This backup could not be stored. Nothing was changed.");
  }
  spdlog::info("backup read: {} devices, {} grants", counts.devices, counts.grants);
  co_return json{{"devices", counts.devices}, {"grants", counts.grants}, {"kept", kept}};
}

void end_if_moved(Context* context) {
  if (context->moving != nullptr && context->moving->has_moved()) {
    std::raise(SIGTERM);
  }
}

json list_profiles(Context* context) {
  struct Known {
    std::size_t grants = 0;
    json seen;
  };
  std::map<std::string, Known> known;
  for (const grant::Standing& grant : context->desk.records().standings()) {
    ++known[grant.profile.hex()].grants;
  }
  const json seen = seen_profiles(*context);
  for (const auto& [profile, day] : seen.items()) {
    known[profile].seen = day;
  }
  json profiles = json::array();
  for (const auto& [profile, one] : known) {
    profiles.push_back({{"profile", profile}, {"grants", one.grants}, {"seen", one.seen}});
  }
  return {{"profiles", std::move(profiles)}};
}

void remember_profile(Context* context, const ProfileId& profile) {
  json seen = seen_profiles(*context);
  const std::int64_t today = context->desk.now().unix_seconds / kDay * kDay;
  const std::string name = profile.hex();
  if (seen.contains(name) && seen[name] == today) {
    return;
  }
  seen[name] = today;
  while (seen.size() > kMaxProfiles) {
    auto oldest = seen.begin();
    for (auto one = seen.begin(); one != seen.end(); ++one) {
      if (!oldest->is_number_integer() ||
          (one->is_number_integer() && one->get<std::int64_t>() < oldest->get<std::int64_t>())) {
        oldest = one;
      }
    }
    seen.erase(oldest);
  }
  context->settings.set(kProfiles, seen.dump());
}

Reply adopt_profile(Context* context, const agent::ProfilesAdopt& adopt) {
  if (context->moving == nullptr) {
    return refuse(ErrorCode::kInternal, "Nothing is stored here.");
  }
  const auto done = context->moving->adopt(adopt.from, adopt.to);
  if (!done) {
    spdlog::error("store: {}", done.error().detail);
    return refuse(ErrorCode::kInternal, "This could not be stored.");
  }
  for (const GrantId& id : done->grants) {
    if (const auto grant = context->desk.records().grant(id)) {
      context->changed(*grant);
    }
  }
  // The profile that had them does not see them any more, so it is not told of each.
  context->ask_again();
  return json{{"adopted", done->grants.size()}, {"kept", done->kept}};
}

}  // namespace latchkey::agentd
