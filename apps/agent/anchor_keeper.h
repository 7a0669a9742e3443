// Keeps the anchors in this user's Firefox profiles in step with the grants: an active grant that
// nothing holds has its CA there, and no other has (threats.md rows 14 and 16). What a browser
// trusts is compared with the grants when the agent starts, when one changes, when Firefox says
// hello, and now and then, so that an agent that died in between leaves nothing behind.
//
// Does nothing until `latchkey setup` has said so; after `latchkey setup --undo` it takes out what
// it has put in. Databases are opened on the worker thread, one at a time.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/desk.h"
#include "context.h"
#include "net/task.h"
#include "platform/nss_anchors.h"
#include "platform/paths.h"

namespace latchkey::agentd {

// A profile of Firefox, as it was found last.
struct FirefoxProfile {
  enum class State {
    kGood,      // holds all anchors
    kNew,       // no database yet: Firefox was never started with it
    kPassword,  // a primary password keeps new anchors out
    kProblem,   // locked, damaged, or not ours
  };
  std::filesystem::path folder;
  State state = State::kProblem;
  std::string problem;
};
std::string_view name_of(FirefoxProfile::State state);  // "good", "new", "password", "problem"

class AnchorKeeper {
 public:
  AnchorKeeper(net::Executor executor, net::Worker& worker, agent::GrantDesk& desk,
               Settings& settings, platform::Environment environment);

  // Runs until stop().
  net::Task<void> run();
  void stop();

  // A grant is another.
  void changed(const grant::AgentGrant& grant);
  // Looks at all profiles again.
  void look_again();
  // All that was asked for before this call is done in every profile, as far as it can be: true.
  // False where that took too long.
  net::Task<bool> settled(std::chrono::milliseconds patience);

  // What set-up said; kept. `folders`: profiles besides those in the usual places. When it is taken
  // back, every profile is looked at once, whatever is remembered of them.
  void configure(bool on, const std::vector<std::string>& folders);
  [[nodiscard]] bool on() const { return on_; }
  [[nodiscard]] const std::vector<FirefoxProfile>& profiles() const { return profiles_; }
  // Some Firefox takes anchors.
  [[nodiscard]] bool ready() const;

 private:
  struct Live {
    Digest256 authority{};
    std::vector<Digest256> before;  // may still be in use
    friend bool operator==(const Live&, const Live&) = default;
  };
  struct Waiter {
    std::uint64_t until;
    boost::asio::steady_timer timer;
  };
  using Wanted = std::vector<platform::WantedAnchor>;
  using Certificates = std::map<Digest256, Bytes>;

  void read_settings();
  void write_settings();
  void learn_grants();
  [[nodiscard]] std::optional<Live> live(const grant::AgentGrant& grant) const;
  [[nodiscard]] std::shared_ptr<const Wanted> wanted() const;
  [[nodiscard]] std::shared_ptr<const Certificates> certificates(
      const std::vector<Digest256>& missing) const;
  // A folder that holds anchors of ours is remembered before the first goes in.
  bool remember(const std::filesystem::path& folder);
  void forget_clean();
  net::Task<std::vector<std::filesystem::path>> find_profiles();
  net::Task<void> pass();
  net::Task<FirefoxProfile> reconcile(std::filesystem::path folder);
  void ask();

  net::Executor executor_;
  net::Worker& worker_;
  agent::GrantDesk& desk_;
  Settings& settings_;
  platform::Environment environment_;
  bool on_ = false;
  bool sweep_ = false;
  bool stopped_ = false;
  bool learnt_ = false;
  std::vector<std::filesystem::path> folders_;  // named by the person
  std::vector<std::filesystem::path> touched_;  // hold, or may hold, anchors of ours
  std::map<GrantId, Live> live_;
  std::map<Digest256, Bytes> fresh_;  // certificates of grants that changed since the last pass
  std::vector<FirefoxProfile> profiles_;
  std::uint64_t asked_ = 0;
  std::uint64_t done_ = 0;
  std::list<Waiter> waiters_;
  boost::asio::steady_timer wake_;
};

}  // namespace latchkey::agentd
