#include "names.h"

#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <cctype>
#include <cstring>

namespace latchkey::agentd {
namespace {

constexpr std::chrono::milliseconds kLookUpTime = std::chrono::seconds(6);

using Addresses = std::vector<boost::asio::ip::address>;

Addresses resolve(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) {
    return {};
  }
  Addresses addresses;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    boost::asio::ip::tcp::endpoint endpoint;
    if (at->ai_addrlen <= endpoint.capacity()) {
      std::memcpy(endpoint.data(), at->ai_addr, at->ai_addrlen);
      addresses.push_back(endpoint.address());
    }
  }
  ::freeaddrinfo(list);
  return addresses;
}

}  // namespace

net::Task<Addresses> look_up(Context* context, HostName host) {
  // It has a name because g++ 12 destroys a closure that is a temporary of co_await twice.
  auto work = [name = host.text()] { return resolve(name); };
  auto found =
      co_await context->worker.run(context->executor, net::after(kLookUpTime), std::move(work));
  co_return found.value_or(Addresses{});
}

std::string own_host_label() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) {
    return {};
  }
  std::string label(name.data());
  label = label.substr(0, label.find('.'));
  std::transform(label.begin(), label.end(), label.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return label;
}

}  // namespace latchkey::agentd
