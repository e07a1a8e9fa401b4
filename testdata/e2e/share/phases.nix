# SPDX-License-Identifier: Apache-2.0
#
# The phases of a derivation as one script, without nixpkgs: nix-instantiate --eval.
{
  derivation,
  modhash,
  configfile,
  certificate,
}:
let
  function = import (/. + derivation);
  arguments = {
    inherit modhash configfile certificate;
    lib.licenses.gpl2Only = "";
    stdenv.mkDerivation = x: x;
  };
  without = builtins.attrNames (builtins.removeAttrs (builtins.functionArgs function) [ "patches" "version" "date" ]);
  result = function (
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = arguments.${name} or name;
      }) without
    )
  );
in
"runHook() { :; }\n" + result.configurePhase + result.buildPhase + result.installPhase + result.installCheckPhase
