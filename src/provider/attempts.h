// How often an address may come with a wrong token. Nobody guesses 256 bits; this keeps those who
// try from keeping the database busy.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"

namespace latchkey::provider {

class Attempts {
 public:
  // Each failure takes one of kAllowed, and one comes back every kRefill.
  static constexpr int kAllowed = 10;
  static constexpr std::chrono::milliseconds kRefill{6000};
  static constexpr std::size_t kMaxPeers = 4096;

  [[nodiscard]] bool may_try(const std::string& peer, MonoTime now) const;
  void failed(const std::string& peer, MonoTime now);
  [[nodiscard]] std::size_t size() const { return peers_.size(); }

 private:
  // When all that failed will be forgotten: as far ahead of now as failures weigh.
  std::map<std::string, MonoTime> peers_;
};

}  // namespace latchkey::provider
