// Joins a wireless network by running the owner's program (`--network-hook`). What it reads on its
// standard input, two lines:
//
//   ssid <hex>
//   psk <password>     (nothing behind the blank: an open network)
//
// Never on a command line or in the environment, where others could read it. Exit codes: 0 joined,
// 3 wrong password, 4 no such network; all else: failed. It has enroll::kNetworkTime, less a
// margin for saying so; then it and what it has started is killed.
#pragma once

#include <chrono>
#include <filesystem>

#include "net/task.h"
#include "wire/network_messages.h"

namespace latchkey::device {

class NetworkHook {
 public:
  static constexpr std::chrono::milliseconds kTime = std::chrono::seconds(50);

  explicit NetworkHook(std::filesystem::path program, std::chrono::milliseconds time = kTime)
      : program_(std::move(program)), time_(time) {}
  // One at a time: kFailed while another is being joined. Cancelled, it kills the program.
  net::Task<wire::NetworkState> join(net::Executor executor, wire::NetworkCredentials credentials);

 private:
  std::filesystem::path program_;
  std::chrono::milliseconds time_;
  bool busy_ = false;
};

}  // namespace latchkey::device
