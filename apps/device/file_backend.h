// Serves a folder, read only. Nothing outside it can be reached, whatever links are inside:
// openat2(RESOLVE_BENEATH), or name by name without following links where the kernel lacks it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "device/backend.h"
#include "front/files.h"
#include "net/block.h"
#include "net/local_message.h"

namespace latchkey::device {

class FileBackend final : public Backend {
 public:
  static std::unique_ptr<FileBackend> open(const std::string& folder, const Clock& clock);
  net::Task<void> serve(Exchange exchange) override;
  [[nodiscard]] bool has_root_page() const override;
  [[nodiscard]] bool reads_fields() const override { return false; }

 private:
  struct Opened {
    net::OwnedFd file;
    front::FileFacts facts;
    std::string name;
    bool is_folder = false;
  };
  FileBackend(net::OwnedFd root, const Clock& clock) : root_(std::move(root)), clock_(clock) {}
  [[nodiscard]] net::OwnedFd open_beneath(const std::vector<std::string>& names) const;
  [[nodiscard]] std::optional<Opened> find(const std::vector<std::string>& names) const;
  net::Task<void> send(Exchange& exchange, const Opened& opened);
  // In one write with its head.
  net::Task<void> send_small(Exchange& exchange, const Opened& opened, const front::FilePlan& plan,
                             wire::HttpResponseHead head);
  net::OwnedFd root_;
  const Clock& clock_;
};

}  // namespace latchkey::device
