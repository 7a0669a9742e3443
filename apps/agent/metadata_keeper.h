// What the providers say, kept up to date: asks each of them from time to time, on a thread of its
// own for each, and tells when something changed. The tables are mapped; the trust made of them is
// a value that is replaced as a whole.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/ports.h"
#include "agent/reply.h"
#include "agent/schedule.h"
#include "base/random.h"
#include "metadata_folder.h"
#include "net/task.h"
#include "net/worker.h"

namespace latchkey::agentd {

class Settings;

struct MetadataOptions {
  std::vector<ProviderOptions> providers;
  std::string ca_file;  // for the providers' web servers; empty: the system's authorities
  std::chrono::milliseconds interval = agent::kRefreshInterval;
  attest::Policy policy;
};

class MetadataKeeper final : public agent::TrustSource {
 public:
  // Reads and checks what lies in `folder` before it returns.
  MetadataKeeper(net::Executor executor, const Clock& clock, Random& random, Settings& settings,
                 MetadataOptions options, const std::filesystem::path& folder);
  ~MetadataKeeper() override;

  [[nodiscard]] const attest::Trust& trust() const override { return *trust_; }
  [[nodiscard]] std::vector<agent::ProviderStatus> status() const;
  // Called from the loop whenever trust() is another.
  void on_change(std::function<void()> callback) { changed_ = std::move(callback); }

  // Asks when it is time, until it is cancelled.
  net::Task<void> run();
  // Asks every provider now; until all have answered, or for a minute.
  net::Task<void> refresh();
  // The computer slept.
  void wake();
  // No download goes on after this.
  void stop();
  [[nodiscard]] bool is_busy() const;

 private:
  struct Provider;
  net::Task<void> ask(Provider* provider);
  // What went wrong; empty: nothing.
  net::Task<std::string> update(Provider* provider);
  bool remember(Provider& provider, const ProviderMemory& memory);
  void rebuild();

  net::Executor executor_;
  const Clock& clock_;
  Random& random_;
  Settings& settings_;
  MetadataOptions options_;
  std::vector<std::unique_ptr<Provider>> providers_;
  std::unique_ptr<const attest::Trust> trust_;
  std::function<void()> changed_;
  boost::asio::steady_timer tick_;
  boost::asio::steady_timer answered_;
  std::shared_ptr<std::atomic<bool>> cancel_;
  net::TaskGroup tasks_;
};

}  // namespace latchkey::agentd
