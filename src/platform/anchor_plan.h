// What is to be changed in a trust database so that it holds the anchors that are wanted and no
// other of ours. Pure: nss_anchors.h reads and writes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace latchkey::platform {

// A certificate that ought to be an anchor, by its SHA-256 (of the DER).
struct WantedAnchor {
  std::string nickname;
  Digest256 digest{};
  // Others under the same nickname that stay if they are there: an authority that was rolled over
  // and may still be in use.
  std::vector<Digest256> also;
};

struct FoundAnchor {
  std::string nickname;
  Digest256 digest{};
  bool trusted = false;
};

struct AnchorPlan {
  std::vector<const WantedAnchor*> add;  // into `wanted`; absent, or there without trust
  std::vector<Digest256> remove;
};

// `wanted` sorted by nickname, no nickname twice. What was found under the right nickname with
// another digest goes; so does all whose nickname nobody wants.
AnchorPlan plan_anchors(const std::vector<WantedAnchor>& wanted,
                        const std::vector<FoundAnchor>& found);

}  // namespace latchkey::platform
