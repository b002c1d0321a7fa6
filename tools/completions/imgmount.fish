# SPDX-License-Identifier: Apache-2.0
# fish completion for imgmount and its tools. The tools say what fits
# (TOOL --complete WORDS...); images are those of the cache.

function __imgmount_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] --complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :images
                switch $current
                    case 'oci:*' 'oci-archive:*' 'docker-archive:*'
                        set -l transport (string replace -r ':.*' ':' -- $current)
                        __fish_complete_path (string replace -r '^[^:]*:' '' -- $current) |
                            string replace -r '^' $transport
                    case '*@*'
                        imgcache ls --layers --format '{{.Image}}' 2>/dev/null |
                            awk '{ print $0 "@" layers[$0]++ }'
                    case '*'
                        imgcache ls -q 2>/dev/null
                end
            case :mounts
                imgmount -l -q 2>/dev/null
            case :folders
                __fish_complete_directories "$current"
            case :files
                __fish_complete_path "$current"
            case '*'
                echo $line
        end
    end
end

for tool in imgcache imgcat imgdiff imgexport imghistory imginspect imgmount imgpull
    complete -c $tool -f -a '(__imgmount_complete)'
end
