// Serves a folder, read only. Nothing outside it can be reached, whatever links are inside:
// openat2(RESOLVE_BENEATH), or name by name without following links where the kernel lacks it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device/backend.h"
#include "device/open_files.h"
#include "front/files.h"
#include "net/block.h"
#include "net/local_message.h"

namespace latchkey::device {

class FileBackend final : public Backend {
 public:
  static std::unique_ptr<FileBackend> open(const std::string& folder, const Clock& clock,
                                           const net::Executor& executor);
  net::Task<void> serve(Exchange exchange) override;
  [[nodiscard]] bool has_root_page() const override;
  [[nodiscard]] bool reads_fields() const override { return false; }

 private:
  FileBackend(net::OwnedFd root, const Clock& clock, const net::Executor& executor)
      : root_(std::move(root)), clock_(clock), open_files_(executor) {}
  [[nodiscard]] net::OwnedFd open_beneath(const std::vector<std::string>& names) const;
  // Null: there is no such file. Where it is a folder's page, `path` says so afterwards.
  [[nodiscard]] std::shared_ptr<const OpenFile> find(std::vector<std::string>& path) const;
  // The same for a request's path, by way of the files that are open.
  std::shared_ptr<const OpenFile> find(const std::string& request_path);
  net::Task<void> send(Exchange& exchange, const OpenFile& opened);
  // In one write with its head.
  net::Task<void> send_small(Exchange& exchange, const OpenFile& opened,
                             const front::FilePlan& plan, wire::HttpResponseHead head);
  const std::string& date();
  net::OwnedFd root_;
  const Clock& clock_;
  OpenFiles open_files_;
  WallTime date_of_{};
  std::string date_;  // as fields say it
};

}  // namespace latchkey::device
