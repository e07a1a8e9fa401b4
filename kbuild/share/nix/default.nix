# SPDX-License-Identifier: Apache-2.0
#
# A kernel of one's own. README.md beside this file says what belongs to it and why.
#
#   (pkgs.callPackage ./default.nix { modhash = …; src = …; configfile = ./config;
#      certificate = ./oot.pem; })
{
  lib,
  stdenv,
  modhash,
  bc,
  bison,
  cpio,
  elfutils,
  flex,
  kmod,
  openssl,
  perl,
  xz,
  version ? "6.12.117",
  # The kernel's source, and its configuration.
  src,
  configfile,
  # The public certificate for modules from elsewhere, never the key: a path, so
  # that its hash is part of the derivation.
  certificate,
  patches ? [ "${modhash}/share/modhash/linux/module-hashes-6.12.patch" ],
  # The date of the source, in seconds since 1970.
  date ? "1767225600",
}:

stdenv.mkDerivation {
  pname = "linux-modhash";
  inherit version src patches;

  nativeBuildInputs = [
    bc
    bison
    cpio
    elfutils
    flex
    kmod
    modhash
    openssl
    perl
    xz
  ];

  # The headers folder is a second output, as for every kernel of nixpkgs.
  outputs = [
    "out"
    "dev"
  ];

  # Modules are hashed as they are installed: the kernel's makefile has stripped
  # them, and nothing touches them afterwards.
  dontStrip = true;
  dontPatchELF = true;
  dontFixup = true;
  enableParallelBuilding = true;

  postPatch = "patchShebangs scripts";

  configurePhase = ''
    runHook preConfigure
    export SOURCE_DATE_EPOCH=${date} CERTIFICATE=${certificate}
    export KSOURCE=$PWD MODHASH=${modhash}/bin/modhash
    export modhash_mk=${modhash}/share/modhash/kernel/modhash.mk
    install -m 644 ${configfile} .config
    make -f $modhash_mk config
    runHook postConfigure
  '';

  buildPhase = ''
    runHook preBuild
    make -j $NIX_BUILD_CORES -f $modhash_mk build
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    make -f $modhash_mk install KROOT=$out
    release=$(make -s kernelrelease)
    make run-command KBUILD_RUN_COMMAND="\$(srctree)/scripts/package/install-extmod-build $dev/lib/modules/$release/build"
    make -f $modhash_mk headers HEADERS=$dev/lib/modules/$release/build
    runHook postInstall
  '';

  # What is published here is the output folder itself, so that is looked at.
  doInstallCheck = true;
  installCheckPhase = ''
    make -f $modhash_mk manifest PACKAGES=$out MANIFEST=$PWD/linux.modhash
    cmp linux.modhash $out/lib/modules/$release/modhash.manifest
  '';

  meta = {
    description = "Linux that loads its own modules by their hashes";
    license = lib.licenses.gpl2Only;
    platforms = [ "x86_64-linux" ];
  };
}
