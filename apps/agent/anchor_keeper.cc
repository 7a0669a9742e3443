#include "anchor_keeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/listing.h"
#include "crypto/hash.h"
#include "platform/firefox_profiles.h"

namespace latchkey::agentd {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kSetting = "firefox";
constexpr std::string_view kTouched = "firefox_touched";
constexpr std::size_t kMaxSetting = 4000;  // what the store keeps under one name
// How often new profiles are looked for while nothing happens.
constexpr std::chrono::milliseconds kNowAndThen = std::chrono::minutes(5);
// A browser that holds its database, or a slow disk: NSS itself gives up earlier.
constexpr std::chrono::milliseconds kJobTime = std::chrono::minutes(2);
constexpr const char* kPrefix = "Latchkey grant ";

json texts_of(const std::vector<fs::path>& paths) {
  json texts = json::array();
  for (const fs::path& path : paths) {
    texts.push_back(path.string());
  }
  return texts;
}

std::vector<fs::path> paths_of(const json& texts) {
  std::vector<fs::path> paths;
  if (texts.is_array()) {
    for (const json& text : texts) {
      if (text.is_string()) {
        paths.emplace_back(text.get<std::string>());
      }
    }
  }
  return paths;
}

bool contains(const std::vector<fs::path>& paths, const fs::path& path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

}  // namespace

std::string_view name_of(FirefoxProfile::State state) {
  switch (state) {
    case FirefoxProfile::State::kGood:
      return "good";
    case FirefoxProfile::State::kNew:
      return "new";
    case FirefoxProfile::State::kPassword:
      return "password";
    case FirefoxProfile::State::kProblem:
      break;
  }
  return "problem";
}

AnchorKeeper::AnchorKeeper(net::Executor executor, net::Worker& worker, agent::GrantDesk& desk,
                           Settings& settings, platform::Environment environment)
    : executor_(executor),
      worker_(worker),
      desk_(desk),
      settings_(settings),
      environment_(std::move(environment)),
      wake_(executor) {
  read_settings();
}

void AnchorKeeper::read_settings() {
  const json kept = json::parse(settings_.get(kSetting).value_or(""), nullptr, false);
  if (kept.is_object()) {
    on_ = kept.value("on", false);
    folders_ = paths_of(kept.value("folders", json::array()));
  }
  touched_ = paths_of(json::parse(settings_.get(kTouched).value_or(""), nullptr, false));
  asked_ = on_ || !touched_.empty() ? 1 : 0;
}

void AnchorKeeper::configure(bool on, const std::vector<std::string>& folders) {
  on_ = on;
  sweep_ = !on;
  if (on) {
    folders_.clear();
  }
  for (const std::string& folder : folders) {
    if (!contains(folders_, folder)) {
      folders_.emplace_back(folder);
    }
  }
  settings_.set(kSetting, json{{"on", on_}, {"folders", texts_of(folders_)}}.dump());
  ask();
}

void AnchorKeeper::ask() {
  ++asked_;
  wake_.cancel();
}

void AnchorKeeper::look_again() {
  if (on_ || !touched_.empty()) {
    ask();
  }
}

// --- what is wanted ---

std::optional<AnchorKeeper::Live> AnchorKeeper::live(const grant::AgentGrant& grant) const {
  if (grant.state != grant::State::kActive || grant.hold || grant.ca_certificate.empty()) {
    return std::nullopt;
  }
  Live live{crypto::sha256(grant.ca_certificate), {}};
  // As long as it is due, what was made last may not have arrived.
  if (grant.renew_at <= desk_.now()) {
    live.before = desk_.records().unconfirmed(grant.id).authorities;
  }
  return live;
}

void AnchorKeeper::learn_grants() {
  if (learnt_) {
    return;
  }
  learnt_ = true;
  // Nothing changes meanwhile: there is one thread.
  agent::Records::Page page{std::nullopt, agent::kPageGrants};
  for (auto grants = desk_.records().grants_page(page); grants && !grants->empty();
       grants = desk_.records().grants_page(page)) {
    for (const grant::AgentGrant& grant : *grants) {
      if (auto now = live(grant)) {
        live_.insert_or_assign(grant.id, *std::move(now));
      }
    }
    page.after = grants->back().id;
  }
}

void AnchorKeeper::changed(const grant::AgentGrant& grant) {
  if (!on_ || !learnt_) {
    return;  // the first pass reads them all
  }
  const auto now = live(grant);
  const auto known = live_.find(grant.id);
  if (now ? known != live_.end() && known->second == *now : known == live_.end()) {
    return;
  }
  if (now) {
    live_.insert_or_assign(grant.id, *now);
    fresh_.insert_or_assign(now->authority, grant.ca_certificate);
  } else {
    live_.erase(known);
  }
  ask();
}

std::shared_ptr<const AnchorKeeper::Wanted> AnchorKeeper::wanted() const {
  auto wanted = std::make_shared<Wanted>();
  if (on_) {
    wanted->reserve(live_.size());
    // By id, and so by nickname: both are in hex digits' order.
    for (const auto& [id, one] : live_) {
      wanted->push_back({kPrefix + id.hex(), one.authority, one.before});
    }
  }
  return wanted;
}

std::shared_ptr<const AnchorKeeper::Certificates> AnchorKeeper::certificates(
    const std::vector<Digest256>& missing) const {
  auto found = std::make_shared<Certificates>(fresh_);
  if (missing.empty()) {
    return found;
  }
  for (const auto& [id, one] : live_) {
    if (std::find(missing.begin(), missing.end(), one.authority) != missing.end()) {
      if (auto grant = desk_.records().grant(id)) {
        found->insert_or_assign(one.authority, std::move(grant->ca_certificate));
      }
    }
  }
  return found;
}

// --- where ---

bool AnchorKeeper::remember(const fs::path& folder) {
  if (contains(touched_, folder)) {
    return true;
  }
  auto more = touched_;
  more.push_back(folder);
  const std::string text = texts_of(more).dump();
  if (text.size() > kMaxSetting || !settings_.set(kTouched, text)) {
    return false;
  }
  touched_ = std::move(more);
  return true;
}

// After everything was taken back: what is clean, or gone, needs no second look.
void AnchorKeeper::forget_clean() {
  const auto before = touched_.size();
  std::erase_if(touched_, [this](const fs::path& folder) {
    return std::any_of(profiles_.begin(), profiles_.end(), [&](const FirefoxProfile& profile) {
      return profile.folder == folder && profile.state != FirefoxProfile::State::kProblem;
    });
  });
  if (touched_.size() != before) {
    settings_.set(kTouched, texts_of(touched_).dump());
  }
}

net::Task<std::vector<fs::path>> AnchorKeeper::find_profiles() {
  auto look = [environment = environment_, folders = folders_] {
    return platform::firefox_profiles(environment, folders);
  };
  std::vector<fs::path> found;
  if (on_ || std::exchange(sweep_, false)) {
    auto seen = co_await worker_.run(executor_, net::after(kJobTime), std::move(look));
    found = std::move(seen).value_or(std::vector<fs::path>{});
  }
  for (const fs::path& folder : touched_) {
    if (!contains(found, folder)) {
      found.push_back(folder);
    }
  }
  co_return found;
}

// --- doing it ---

net::Task<FirefoxProfile> AnchorKeeper::reconcile(fs::path folder) {
  using State = FirefoxProfile::State;
  FirefoxProfile profile{folder, State::kProblem, {}};
  std::vector<Digest256> missing;
  while (true) {
    const auto want = wanted();
    if (!want->empty() && !remember(folder)) {
      profile.problem = "too many profiles";
      co_return profile;
    }
    auto job = [folder, want, at_hand = certificates(missing)] {
      return platform::reconcile_anchors(
          folder, kPrefix, *want, [&](const Digest256& digest) -> std::optional<Bytes> {
            const auto found = at_hand->find(digest);
            return found == at_hand->end() ? std::nullopt : std::optional(found->second);
          });
    };
    const auto done = co_await worker_.run(executor_, net::after(kJobTime), std::move(job));
    if (!done) {
      profile.problem = "it took too long";
      co_return profile;
    }
    if (!*done) {
      profile.state =
          done->error().code == platform::Error::Code::kMissing ? State::kNew : State::kProblem;
      profile.problem = done->error().message;
      co_return profile;
    }
    const platform::AnchorOutcome& outcome = **done;
    if (outcome.added + outcome.removed > 0) {
      spdlog::info("{}: {} anchors added, {} removed", folder.string(), outcome.added,
                   outcome.removed);
    }
    const bool again = outcome.more || (!outcome.missing.empty() && outcome.missing != missing);
    missing = outcome.missing;
    if (!again) {
      profile.state = outcome.password  ? State::kPassword
                      : missing.empty() ? State::kGood
                                        : State::kProblem;
      co_return profile;
    }
  }
}

net::Task<void> AnchorKeeper::pass() {
  const auto folders = co_await find_profiles();
  if (!folders.empty() && on_) {
    learn_grants();
  }
  std::vector<FirefoxProfile> profiles;
  for (const fs::path& folder : folders) {
    auto profile = co_await reconcile(folder);
    if (profile.state == FirefoxProfile::State::kProblem) {
      spdlog::warn("{}: {}", folder.string(), profile.problem);
    }
    profiles.push_back(std::move(profile));
  }
  profiles_ = std::move(profiles);
  if (!on_) {
    forget_clean();
  }
}

net::Task<void> AnchorKeeper::run() {
  while (!stopped_) {
    if (asked_ == done_) {
      wake_.expires_after(kNowAndThen);
      const auto [woken] =
          co_await wake_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      if (!woken) {
        look_again();
      }
      continue;
    }
    const std::uint64_t until = asked_;
    const auto before = fresh_;
    co_await pass();
    // What came during the pass is for the next one.
    for (const auto& [digest, certificate] : before) {
      fresh_.erase(digest);
    }
    done_ = until;
    for (Waiter& waiter : waiters_) {
      if (waiter.until <= done_) {
        waiter.timer.cancel();
      }
    }
  }
}

void AnchorKeeper::stop() {
  stopped_ = true;
  wake_.cancel();
}

net::Task<bool> AnchorKeeper::settled(std::chrono::milliseconds patience) {
  const std::uint64_t until = asked_;
  if (done_ >= until) {
    co_return true;
  }
  const auto mine = waiters_.insert(
      waiters_.end(), Waiter{until, boost::asio::steady_timer(executor_, net::after(patience))});
  (void)co_await mine->timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  waiters_.erase(mine);
  co_return done_ >= until;
}

bool AnchorKeeper::ready() const {
  return on_ && std::any_of(profiles_.begin(), profiles_.end(), [](const auto& profile) {
           return profile.state == FirefoxProfile::State::kGood;
         });
}

}  // namespace latchkey::agentd
