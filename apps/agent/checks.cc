#include "checks.h"

#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "firefox.h"
#include "house_look.h"
#include "keys_check.h"
#include "keys_desk.h"
#include "metadata_keeper.h"
#include "platform/doctor_facts.h"
#include "platform/house_checks.h"
#include "platform/nss_trust.h"
#include "platform/paths.h"
#include "store_records.h"

namespace latchkey::agentd {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::chrono::milliseconds kLookTime = std::chrono::seconds(20);
constexpr std::string_view kDatabases = "databases";
constexpr std::string_view kBrowsers = "browsers";
constexpr std::string_view kTrustSeen = "trust_seen";
constexpr const char* kSince = "since_ms";

std::vector<fs::path> remembered(const Context& context, std::string_view name) {
  std::vector<fs::path> paths;
  const json list = json::parse(context.settings.get(name).value_or("[]"), nullptr, false);
  if (list.is_array()) {
    for (const json& item : list) {
      if (item.is_string()) {
        paths.emplace_back(item.get<std::string>());
      }
    }
  }
  return paths;
}

std::vector<fs::path> databases(const Context& context) {
  auto folders = platform::chromium_databases(platform::Environment::current());
  for (fs::path& folder : remembered(context, kDatabases)) {
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
      folders.push_back(std::move(folder));
    }
  }
  return folders;
}

// When the files of the databases changed last: as long as this stays, so does what is in them.
json fingerprint(const std::vector<fs::path>& folders) {
  json seen = json::object();
  for (const fs::path& folder : folders) {
    struct stat file{};
    if (::stat((folder / "cert9.db").c_str(), &file) == 0) {
      seen[folder.string()] = {file.st_mtim.tv_sec, file.st_mtim.tv_nsec};
    }
  }
  return seen;
}

platform::FineTime newest(const json& seen) {
  platform::FineTime last{};
  for (const auto& [folder, time] : seen.items()) {
    const auto at = seconds(time.at(0).get<std::int64_t>()) +
                    std::chrono::nanoseconds(time.at(1).get<std::int64_t>());
    last = std::max(last, platform::FineTime(std::chrono::floor<std::chrono::milliseconds>(at)));
  }
  return last;
}

// When set-up was seen to have put the root there.
platform::FineTime since_of(const json& last) {
  return platform::FineTime(std::chrono::milliseconds(last.value(kSince, std::int64_t{0})));
}

bool any_trusted(const std::vector<fs::path>& folders, const Bytes& root) {
  return std::any_of(folders.begin(), folders.end(), [&](const fs::path& folder) {
    const auto state = platform::query_root(folder, root);
    return state && *state == platform::RootState::kTrusted;
  });
}

}  // namespace

net::Task<SetupState> setup_state(Context* context) {
  const auto folders = databases(*context);
  const json seen = fingerprint(folders);
  SetupState state;
  json last = json::parse(context->settings.get(kTrustSeen).value_or(""), nullptr, false);
  if (seen.empty()) {
    co_return state;
  }
  if (!last.is_object() || last.value("files", json()) != seen) {
    const Bytes root = context->desk.records().user_root().certificate;
    auto look = [folders, root] { return any_trusted(folders, root); };
    const auto trusted =
        co_await context->worker.run(context->executor, net::after(kLookTime), std::move(look));
    const bool was = last.is_object() && last.value("trusted", false);
    const platform::FineTime since = was                       ? since_of(last)
                                     : trusted.value_or(false) ? newest(seen)
                                                               : platform::FineTime{};
    last = {{"files", seen},
            {"trusted", trusted.value_or(false)},
            {kSince, since.time_since_epoch().count()}};
    // Looking opens the files, but does not change them.
    if (trusted) {
      context->settings.set(kTrustSeen, last.dump());
    }
  }
  state.root_installed = last.value("trusted", false);
  if (state.root_installed) {
    state.restart_needed =
        platform::browser_restart_needed(platform::running_browsers(), since_of(last));
  }
  co_return state;
}

namespace {

// How new the lists of trusted devices and web services are.
platform::Check metadata_check(const std::vector<agent::ProviderStatus>& providers) {
  platform::Check check{"metadata", platform::Level::kOk,
                        "No provider vouches for devices and web services.", "", ""};
  auto worst = attest::Freshness::kFresh;
  bool unreachable = false;
  for (const agent::ProviderStatus& one : providers) {
    check.title = "The lists of trusted devices and web services are up to date.";
    worst = std::max(worst, one.state);
    unreachable = unreachable || !one.error.empty();
    check.detail += one.name + " (" + one.url + "): " + std::string(attest::name_of(one.state)) +
                    (one.error.empty() ? "" : ", " + one.error) + "\n";
  }
  if (worst == attest::Freshness::kStale || worst == attest::Freshness::kNever) {
    check.level = platform::Level::kFail;
    check.title = worst == attest::Freshness::kStale
                      ? "A list of trusted devices is too old: nothing new can be allowed."
                      : "A list of trusted devices was never read: nothing new can be allowed.";
  } else if (worst == attest::Freshness::kLate || unreachable) {
    check.level = platform::Level::kWarn;
    check.title = unreachable ? "A provider of trusted devices could not be asked."
                              : "A list of trusted devices is late.";
  }
  if (check.level != platform::Level::kOk) {
    check.fix = "Connect to the internet and run `latchkey refresh`.";
  }
  return check;
}

// What has happened here was before now, or the clock is wrong.
WallTime known_past(const Context& context) {
  WallTime last = context.floor != nullptr ? context.floor->wall_now() : WallTime{};
  for (const grant::Binding& binding : context.desk.records().bindings()) {
    last = std::max(last, binding.bound_at);
  }
  for (const grant::Standing& grant : context.desk.records().standings()) {
    last = std::max(last, grant.created);
  }
  for (const agent::ProviderStatus& provider : context.metadata.status()) {
    last = std::max(last, provider.published.value_or(WallTime{}));
  }
  return last;
}

platform::Check policy_check(const attest::Policy& policy) {
  const bool strict = policy.only_attested_devices || policy.only_registered_origins;
  return {"policy", platform::Level::kOk,
          strict ? "Whoever looks after this computer restricts what may be allowed."
                 : "Nobody restricts what you may allow.",
          std::string("only_registered_origins ") +
              (policy.only_registered_origins ? "true" : "false") + ", only_attested_devices " +
              (policy.only_attested_devices ? "true" : "false"),
          ""};
}

}  // namespace

net::Task<std::vector<platform::Check>> all_checks(Context* context) {
  const SetupState state = co_await setup_state(context);
  const json last = json::parse(context->settings.get(kTrustSeen).value_or(""), nullptr, false);
  platform::DoctorQuestion question{.environment = platform::Environment::current(),
                                    .agent_socket = context->socket_path,
                                    .asked_by_agent = true,
                                    .root = context->desk.records().user_root().certificate,
                                    .root_installed = std::nullopt,
                                    .more_databases = remembered(*context, kDatabases),
                                    .more_user_data = remembered(*context, kBrowsers),
                                    .extension_id = context->extension_id,
                                    .known_past = known_past(*context),
                                    .system = "/"};
  if (state.root_installed && last.is_object()) {
    question.root_installed = since_of(last);
  }
  const platform::House house = co_await look_at_house(context);
  // Named, not written inside the call: g++ 12 copies the bytes of a closure made there.
  auto look = [house, question = std::move(question)] {
    auto checks = platform::judge(platform::read_facts(question));
    for (platform::Check& check : platform::judge_house(house, platform::read_firewalls())) {
      checks.push_back(std::move(check));
    }
    return checks;
  };
  auto checks =
      co_await context->worker.run(context->executor, net::after(kLookTime), std::move(look));
  auto all = checks.value_or(std::vector<platform::Check>{});
  add_keys_checks(all, context->keys.standing());
  all.push_back(metadata_check(context->metadata.status()));
  all.push_back(policy_check(context->desk.trust().policy()));
  all.push_back(co_await firefox_check(context));
  co_return all;
}

json remembered_places(const Context& context) {
  json places = json::object();
  for (const std::string_view name : {kDatabases, kBrowsers}) {
    json& texts = places[std::string(name)] = json::array();
    for (const fs::path& path : remembered(context, name)) {
      texts.push_back(path.string());
    }
  }
  return places;
}

void remember_places(Context* context, const agent::Doctor& places) {
  if (places.databases) {
    context->settings.set(kDatabases, json(*places.databases).dump());
  }
  if (places.browsers) {
    context->settings.set(kBrowsers, json(*places.browsers).dump());
  }
}

}  // namespace latchkey::agentd
