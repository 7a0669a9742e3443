// Names as this computer resolves them: what a browser on it would find.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>
#include <vector>

#include "base/host_name.h"
#include "context.h"

namespace latchkey::agentd {

// By getaddrinfo, on the worker, for 6 s at most; empty: not found.
net::Task<std::vector<boost::asio::ip::address>> look_up(Context* context, HostName host);

// The first label of this computer's own name, in lower case.
std::string own_host_label();

}  // namespace latchkey::agentd
