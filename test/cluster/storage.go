package main

import (
	"fmt"
	"os"
	"strings"
)

// volumes is how many claims of volumes a node can serve.
const volumes = 4

// storage makes volumes of directories of a node, and the class that claims get when they
// name none. A volume that was released comes back with the next up, and what is in it.
func (w *world) storage(n node) error {
	manifest := &strings.Builder{}
	manifest.WriteString(storageClass)
	for i := 1; i <= volumes; i++ {
		name := fmt.Sprintf("%s-volume-%d", n.name(), i)
		if err := os.MkdirAll(n.path("kubelet", "volumes", name), 0o755); err != nil {
			return err
		}
		fmt.Fprintf(manifest, volume, name, name, n.name())
		phase, err := w.ask("get", "persistentvolume", name, "--ignore-not-found", "-o", "jsonpath={.status.phase}")
		if err != nil {
			return err
		}
		if phase == "Released" {
			if _, err := w.ask("delete", "persistentvolume", name); err != nil {
				return err
			}
		}
	}
	return w.apply(manifest.String())
}

const storageClass = `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: of-a-node
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
`

const volume = `---
apiVersion: v1
kind: PersistentVolume
metadata: {name: %s}
spec:
  capacity: {storage: 20Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: of-a-node
  persistentVolumeReclaimPolicy: Retain
  local: {path: /var/lib/kubelet/volumes/%s}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%s]}]
`
