// latchkey-native-host: started by the browser for our extension, it relays between the extension
// (standard input and output) and the agent's socket. It reads nothing but the first message.
//
// Its standard error ends up in the browser's log.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "hello.h"
#include "net/local_message.h"
#include "platform/paths.h"
#include "relay.h"

namespace {

using namespace latchkey;

constexpr std::string_view kChromiumId = LATCHKEY_EXTENSION_ID;
constexpr std::string_view kFirefoxId = LATCHKEY_FIREFOX_EXTENSION_ID;

int give_up(const std::string& why) {
  std::fprintf(stderr, "latchkey-native-host: %s\n", why.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + std::min(argc, 1), argv + argc);
  const auto caller = native_host::calling_extension(arguments, kChromiumId, kFirefoxId);
  if (!caller) {
    return give_up("only the browser may start this, for the Latchkey extension");
  }
  std::signal(SIGPIPE, SIG_IGN);
  const auto hello = net::read_local_message(STDIN_FILENO);
  if (!hello) {
    return give_up(hello.error().detail);
  }
  const auto stamped = native_host::stamp_hello(*hello, *caller);
  if (!stamped) {
    return give_up("the first message is not hello");
  }
  const std::string path = platform::agent_socket_path(platform::Environment::current()).string();
  const auto agent = net::connect_or_start(path, net::agent_program());
  if (!agent) {
    return give_up(agent.error().detail);
  }
  if (const auto sent = net::write_local_message(agent->get(), *stamped); !sent) {
    return give_up(sent.error().detail);
  }
  return native_host::relay(STDIN_FILENO, STDOUT_FILENO, agent->get()) ? 0 : 1;
}
