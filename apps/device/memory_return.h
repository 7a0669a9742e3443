// Gives memory back to the system once a rush is over. The heap keeps what thousands of clients
// needed at the same moment, mostly buffers of those that were just connecting; a machine with
// little memory wants it for its other programs.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include "front/metrics.h"
#include "net/task.h"

namespace latchkey::device {

class MemoryReturn {
 public:
  MemoryReturn(const net::Executor& executor, const front::Metrics& metrics)
      : metrics_(metrics), timer_(executor) {}
  void start() { look_later(); }
  void stop() { timer_.cancel(); }

 private:
  void look_later();
  void look();
  [[nodiscard]] std::uint64_t work_done() const;

  const front::Metrics& metrics_;
  boost::asio::steady_timer timer_;
  std::uint64_t seen_ = 0;      // work done at the last look
  std::uint64_t returned_ = 0;  // and when memory was given back last
};

}  // namespace latchkey::device
