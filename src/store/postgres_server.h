// For tests and benchmarks: a real PostgreSQL in a folder of its own, on a Unix socket, ended with
// the object (and with this process, however that ends).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace latchkey::store {

class PostgresServer {
 public:
  // The one of this process, started at first use. Ends the process where it cannot be started:
  // a test without it would prove nothing.
  static PostgresServer& shared();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // Makes an empty database; gives the text that opens it.
  std::string create_database();
  [[nodiscard]] std::string connection(const std::string& database) const;

 private:
  PostgresServer();
  std::filesystem::path folder_;
  pid_t pid_ = -1;
  int made_ = 0;
};

}  // namespace latchkey::store
