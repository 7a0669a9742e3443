// latchkey-agent: reads its options and runs the program.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "options.h"
#include "program.h"

int main(int argc, char** argv) {
  using namespace latchkey;
  const auto parsed = agentd::parse_options(argc, argv);
  if (!parsed.run) {
    return parsed.exit_code;
  }
  // What is written here is nobody else's; a crash leaves no keys behind in a core file.
  ::umask(077);
  const rlimit no_core{0, 0};
  (void)::setrlimit(RLIMIT_CORE, &no_core);
  std::signal(SIGPIPE, SIG_IGN);
  spdlog::set_default_logger(spdlog::stderr_logger_st("agent"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S%z %l %v");
  return agentd::Program(parsed.options).run();
}
