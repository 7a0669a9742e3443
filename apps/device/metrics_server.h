// The counters for Prometheus, over plain HTTP to programs of this machine only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "front/metrics.h"
#include "net/local_message.h"
#include "net/stream.h"
#include "net/task.h"

namespace latchkey::device {

// "127.0.0.1:PORT", "[::1]:PORT" or "localhost:PORT"; port 0: any free one. Nothing else.
struct MetricsAddress {
  std::string ip;
  std::uint16_t port = 0;
};
std::optional<MetricsAddress> parse_metrics_address(std::string_view text);

class MetricsServer {
 public:
  static constexpr std::size_t kMaxConnections = 8;
  // `page`: what is answered at this moment.
  MetricsServer(net::Executor executor, std::function<std::string()> page);
  // A listening socket, taken over.
  void start(int listener);
  void stop();
  [[nodiscard]] bool empty() const { return tasks_.empty(); }

 private:
  net::Task<void> serve(int fd);
  net::Executor executor_;
  std::function<std::string()> page_;
  std::shared_ptr<net::WatchedFd> listener_;
  std::size_t open_ = 0;
  net::TaskGroup tasks_;  // last: its coroutines use all of the above
};

}  // namespace latchkey::device
